/** The failures of all tasks, grouped by their cause. */
import { useMemo, useState } from "preact/hooks";
import { formatCount } from "../../../units/counts.ts";
import { formatDuration } from "../../../units/durations.ts";
import { countIn, spansSince } from "../../views/timeSpans.ts";
import { linkTo } from "../address.ts";
import { BarChart } from "../barChart.tsx";
import { Waiting } from "../empty.tsx";
import { useNow } from "../hooks.ts";
import type { PartProperties } from "../live.ts";
import { Mark } from "../mark.tsx";
import { Table } from "../table.tsx";
import { type FailureGroup, failureGroups } from "./find.ts";
import { canNotify, isNotifying, startNotifying, stopNotifying } from "./notifications.ts";

export function Failures({ live: { rows, status } }: PartProperties) {
  const groups = useMemo(() => failureGroups(rows), [rows]);
  const now = useNow();
  if (status?.ready !== true) return <Waiting text="Reading the event log…" />;
  const count = groups.reduce((sum, group) => sum + group.rows.length, 0);
  return (
    <>
      <h1 class="plain">
        Failures <span class="faint">{`${formatCount(count)} of ${formatCount(rows.length)} tasks`}</span>
      </h1>
      <Notify />
      {groups.length === 0 ? (
        <p class="empty">No task has failed.</p>
      ) : (
        <OverTime groups={groups} now={now} />
      )}
      {groups.length === 0 ? null : (
        <section class="card failures stacked" aria-label="Causes">
          <Table
            label="Failures by cause"
            heads={["Tasks", "Cause", "Outcome", "Jobs", "Last"]}
            rows={groups.map((group) => cellsOf(group, now))}
          />
        </section>
      )}
    </>
  );
}

/** All failures since the first one, by the times of their ends. */
function OverTime({ groups, now }: { readonly groups: readonly FailureGroup[]; readonly now: number }) {
  const times = groups.flatMap(({ rows }) => rows.map(({ endedAt, changedAt }) => endedAt ?? changedAt));
  const spans = spansSince(
    times.reduce((first, time) => Math.min(first, time), now),
    now,
  );
  const counts = countIn(spans, times);
  return (
    <BarChart title="Failures over time" spans={spans} up={{ kind: "failure", name: "failures", counts }} />
  );
}

/** Lets the browser tell of failures that happen from now on. */
function Notify() {
  const [isOn, setOn] = useState(isNotifying());
  const [notice, setNotice] = useState("");
  if (!canNotify()) return null;
  const toggle = async () => {
    const allowed = !isOn && (await startNotifying());
    if (isOn) stopNotifying();
    setOn(allowed);
    setNotice(isOn || allowed ? "" : "The browser does not allow notifications of this page.");
  };
  return (
    <p class="notify">
      <button type="button" aria-pressed={isOn} onClick={() => void toggle()}>
        Notify me of new failures
      </button>{" "}
      <span role="status" class="faint">
        {notice}
      </span>
    </p>
  );
}

/** Maximum number of jobs to name. Further jobs are only counted. */
const maxJobs = 3;

function cellsOf({ cause, rows, jobs }: FailureGroup, now: number) {
  const [newest] = rows;
  const more = jobs.length - maxJobs;
  if (newest === undefined) return [];
  const { tone, kind } = newest.outcome;
  return [
    `${formatCount(rows.length)} ×`,
    <a key="cause" href={linkTo([], { cause })}>
      {cause}
    </a>,
    <span key="outcome" class={`word ${tone}`}>
      <Mark tone={tone} /> {kind}
    </span>,
    `${jobs.slice(0, maxJobs).join(", ")}${more > 0 ? ` and ${more} more` : ""}`,
    <a key="last" href={linkTo(["task", newest.id])}>
      {`${formatDuration(Math.max(0, now - (newest.endedAt ?? newest.changedAt)))} ago`}
    </a>,
  ];
}
