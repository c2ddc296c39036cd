/** One task: how it stands and why, what happened, and any moment of it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { formatSpan } from "../../cli/terminal/time.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { TaskSummary } from "../taskSummary.ts";
import type { MomentView, TaskView } from "../taskView.ts";
import { Chart, useChartLayout } from "./chart.tsx";
import { CopyButtons } from "./copyButtons.tsx";
import { useKeys } from "./keys.ts";
import { useAnswer } from "./live.ts";
import { Mark } from "./mark.tsx";
import { Moment } from "./moment.tsx";
import { useNow } from "./now.ts";
import { Sandbox } from "./sandbox.tsx";
import { Story } from "./story.tsx";
import { Timeline } from "./timeline.tsx";

interface Properties {
  readonly id: string;
  readonly row: TaskSummary | undefined;
  /** Whether all tasks are known. */
  readonly ready: boolean;
}

export function TaskPage({ id, row, ready }: Properties) {
  const query = `id=${encodeURIComponent(id)}`;
  const view = useAnswer<TaskView>(row && `/api/task?${query}`, row?.events);
  const layout = useChartLayout();
  /** Undefined: the newest, whichever that is. */
  const [chosen, setChosen] = useState<number>();
  const count = view?.steps.length ?? 0;
  const seq = Math.min(chosen ?? count, count);
  const moment = useAnswer<MomentView>(seq > 0 ? `/api/moment?${query}&seq=${seq}` : undefined);
  const go = (to: (before: number) => number) =>
    // Keys come quicker than the page is drawn. Who is at the end stays there.
    setChosen((before) => within(to(before ?? count), count));
  useKeys({
    Escape: () => {
      location.hash = "#/";
    },
    ArrowLeft: () => go((before) => before - 1),
    ArrowRight: () => go((before) => before + 1),
    Home: () => go(() => 1),
    End: () => go(() => count),
  });
  if (row === undefined && ready) return <NoTask />;
  // Drawn at once when all is there: nothing moves about.
  if (view === undefined || row === undefined || layout === undefined || moment === undefined) {
    return <p class="empty">Reading its history…</p>;
  }
  const state = view.steps[seq - 1]?.to ?? "pending";
  const choose = (to: number) => go(() => to);
  return (
    <>
      <Title row={row} query={query} />
      <Verdict view={view} row={row} choose={choose} />
      <Timeline steps={view.steps} seq={seq} choose={choose} />
      <div class="columns">
        <div>
          <Story view={view} seq={seq} choose={choose} />
          <Moment moment={moment} />
        </div>
        <section class="card" aria-label="State machine">
          <h2>State machine</h2>
          <Chart layout={layout} steps={view.steps.slice(0, seq)} state={state} />
        </section>
      </div>
      <Sandbox context={moment.context as TaskContext} />
    </>
  );
}

/** The newest is followed. */
function within(seq: number, count: number): number | undefined {
  return seq >= count ? undefined : Math.max(1, seq);
}

function NoTask() {
  return (
    <p class="empty">
      There is no such task, or its history was removed. <a href="#/">All tasks</a>
    </p>
  );
}

function Title({ row, query }: { readonly row: TaskSummary; readonly query: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const now = useNow();
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const ran = row.startedAt === null ? undefined : Math.max(0, (row.endedAt ?? now) - row.startedAt);
  const facts = [
    ["Job", row.job],
    ["Group", row.group],
    ["Namespace", row.namespace],
    ["State", row.state],
    ["Exit", row.exit ?? "–"],
    ["Ran", ran === undefined ? "–" : formatSpan(ran)],
    ["Restarts", String(row.restarts)],
  ] as const;
  return (
    <div class="title">
      <h1 ref={heading} tabIndex={-1}>
        {row.task}
        <code>{row.allocation}</code>
      </h1>
      <CopyButtons query={query} name={row.task} />
      <dl class="strip">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

interface VerdictProperties {
  readonly view: TaskView;
  readonly row: TaskSummary;
  readonly choose: (seq: number) => void;
}

function Verdict({ view: { outcome, sentences }, row, choose }: VerdictProperties) {
  return (
    <section class={`card verdict ${outcome.tone}`} aria-label="How it stands">
      <p class="headline">
        <Mark tone={outcome.tone} />
        {outcome.text}
      </p>
      <p>
        {sentences.map(({ text, events }) => (
          <span key={text}>
            {text}.{/* Kept on the line of what they show. */}
            <span class="references">
              {events.map((seq) => (
                <button
                  key={seq}
                  type="button"
                  class="reference"
                  aria-label={`Go to event ${seq}`}
                  onClick={() => choose(seq)}
                >
                  {seq}
                </button>
              ))}
            </span>{" "}
          </span>
        ))}
      </p>
      {outcome.tone === "bad" && row.startedAt !== null ? (
        <p>
          What it wrote last: <code>{logCommand(row)}</code>
        </p>
      ) : null}
    </section>
  );
}

function logCommand({ allocation, task, namespace }: TaskSummary): string {
  const where = namespace === "" || namespace === "default" ? "" : ` -namespace ${namespace}`;
  return `nomad alloc logs -stderr -tail${where} ${allocation.slice(0, 8)} ${task}`;
}
