/** Compares two tasks: shows where their histories diverge, and what differs. */

import { useState } from "preact/hooks";
import { shortNameOf } from "../../../base/taskId.ts";
import { formatTime } from "../../../units/times.ts";
import type { DiffSide, DiffView } from "../../views/diffView.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { linkTo } from "../address.ts";
import { useBundleRows } from "../bundle/source.ts";
import { LinkButton } from "../buttons.tsx";
import { useKeys } from "../hooks.ts";
import { type PartProperties, useAnswer } from "../live.ts";
import { Mark } from "../mark.tsx";
import { choose, goTo, useAddress } from "../navigation.ts";
import { DiffTable } from "./diffTable.tsx";

export function ComparePage({ live: { rows } }: PartProperties) {
  const { a = "", b = "", ain = "", bin = "" } = useAddress().choices;
  useKeys({ Escape: () => goTo([]) });
  const versions = rows.flatMap(({ id, events }) => (id === a || id === b ? events : []));
  const query = new URLSearchParams({ a, b, ain, bin });
  const view = useAnswer<DiffView>(a === "" || b === "" ? undefined : `/api/diff?${query}`, versions.join());
  return (
    <>
      <h1 class="plain">Compare</h1>
      <div class="columns sides">
        <Side name="a" label="A" id={a} source={ain} side={view?.left} rows={rows} />
        <Side name="b" label="B" id={b} source={bin} side={view?.right} rows={rows} />
      </div>
      {view === undefined ? (
        <p class="faint">{a === "" || b === "" ? "Choose two runs." : "Comparing…"}</p>
      ) : (
        <section class="card" aria-label="Differences">
          <h2>{view.same ? "The same" : "What differs"}</h2>
          <p>{view.text}</p>
          <DiffTable view={view} names={["A", "B"]} />
          <p class="hint">
            Pids, times, ids, digests and run folders always differ, so they are not compared. Arguments are
            compared, but not shown.
          </p>
        </section>
      )}
    </>
  );
}

interface SideProperties {
  readonly name: "a" | "b";
  readonly label: string;
  readonly id: string;
  /** Key of the dropped bundle with the task; empty for a task of the inspector's logs. */
  readonly source: string;
  readonly side: DiffSide | undefined;
  readonly rows: readonly TaskSummary[];
}

function Side({ name, label, id, source, side, rows: own }: SideProperties) {
  const [text, setText] = useState("");
  const { rows: dropped } = useBundleRows(source);
  const offered = runsWith(dropped ?? own, text);
  return (
    <section class="card" aria-label={`Side ${label}`}>
      <h2>
        {label} {source === "" ? null : <span class="foreign">bundle</span>}{" "}
        {id === "" ? null : <a href={linkTo(["task", id], { in: source })}>{shortNameOf(id)}</a>}
      </h2>
      {side === undefined ? null : (
        <p>
          <Mark tone={side.outcome.tone} /> {side.outcome.text}, job {side.job ?? "unknown"}, begun{" "}
          {formatTime(side.begunAt)}
        </p>
      )}
      <input
        type="search"
        value={text}
        placeholder={`${id === "" ? "A" : "Another"} run: task, job or id`}
        aria-label={`Find a run for side ${label}`}
        onInput={({ currentTarget: { value } }) => setText(value)}
      />
      <Offered
        rows={offered}
        onChoose={(chosen) => {
          choose({ [name]: chosen });
          setText("");
        }}
      />
    </section>
  );
}

/** Maximum number of runs to offer. */
const maxOffered = 50;

/** The runs whose id or job contains a text; none for an empty text. */
function runsWith(rows: readonly TaskSummary[], text: string): readonly TaskSummary[] {
  const needle = text.toLowerCase();
  if (needle === "") return [];
  return rows
    .filter(({ id, job }) => [id, job ?? ""].some((each) => each.toLowerCase().includes(needle)))
    .slice(0, maxOffered);
}

interface OfferedProperties {
  readonly rows: readonly TaskSummary[];
  readonly onChoose: (id: string) => void;
}

function Offered({ rows, onChoose }: OfferedProperties) {
  if (rows.length === 0) return null;
  return (
    <ul class="offered">
      {rows.map(({ id, outcome, begunAt }) => (
        <li key={id}>
          <LinkButton act={() => onChoose(id)}>{shortNameOf(id)}</LinkButton> {outcome.text}{" "}
          <span class="faint">{formatTime(begunAt)}</span>
        </li>
      ))}
    </ul>
  );
}
