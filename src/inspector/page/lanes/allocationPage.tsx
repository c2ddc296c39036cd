/** An allocation: its tasks and their runs on one axis of time, and as a list. */
import { formatDuration } from "../../../units/durations.ts";
import { formatTime } from "../../../units/times.ts";
import type { AllocationView } from "../../views/allocationView.ts";
import { linkWithin, listPath } from "../bundle/source.ts";
import { Empty, Waiting } from "../empty.tsx";
import { useKeys, useNow } from "../hooks.ts";
import type { PartProperties } from "../live.ts";
import { Mark } from "../mark.tsx";
import { goTo } from "../navigation.ts";
import { StatelyLink } from "../stately/statelyLink.tsx";
import { Facts, Scroll } from "../table.tsx";
import { LanesCard } from "./lanesCard.tsx";
import { useAllocation } from "./useAllocation.ts";

export function AllocationPage({ live: { rows, status, isComplete }, subject: allocation }: PartProperties) {
  const view = useAllocation(allocation, rows);
  const now = useNow();
  useKeys({ Escape: () => goTo(listPath()) });
  const isUnknown =
    status?.ready === true && isComplete && !rows.some((row) => row.allocation === allocation);
  if (isUnknown) {
    return (
      <Empty title="No task of this allocation is known">
        <p>
          Its history may have been removed. <a href="#/">All tasks</a>
        </p>
      </Empty>
    );
  }
  if (view === undefined) return <Waiting text="Reading the histories of its tasks…" />;
  const runs = view.tasks.reduce((sum, task) => sum + task.runs.length + task.earlier, 0);
  return (
    <>
      <div class="title">
        <h1>
          Allocation
          <code>{view.allocation}</code>
        </h1>
        <StatelyLink path={["allocation", view.allocation]} />
        <Facts
          kind="strip"
          facts={[
            ["Job", view.job ?? "–"],
            ["Group", view.group ?? "–"],
            ["Tasks", view.tasks.length],
            ["Runs", runs],
          ]}
        />
      </div>
      <section class="card" aria-label="Tasks over time">
        <h2>Tasks over time</h2>
        <LanesCard view={view} now={now} />
      </section>
      <Runs view={view} now={now} />
    </>
  );
}

/** The list has at most this many runs, the newest ones. The lanes also show older runs. */
const maxListed = 200;

function Runs({ view, now }: { readonly view: AllocationView; readonly now: number }) {
  const runs = view.tasks
    .flatMap(({ task, runs: list, earlier }) =>
      list.map((run, index) => ({ ...run, task, number: earlier + index + 1 })),
    )
    .sort((a, b) => b.begunAt - a.begunAt);
  return (
    <section class="card stacked runs" aria-label="Runs">
      <h2>
        Runs{" "}
        <span class="faint">
          {runs.length > maxListed ? `the newest ${maxListed} of ${runs.length}` : "the newest first"}
        </span>
      </h2>
      <Scroll label="List of runs">
        <table>
          <thead>
            <tr>
              <th scope="col">Task</th>
              <th scope="col">Run</th>
              <th scope="col">Outcome</th>
              <th scope="col">Begun</th>
              <th scope="col" class="number">
                Lasted
              </th>
            </tr>
          </thead>
          <tbody>
            {runs.slice(0, maxListed).map(({ id, task, number, outcome, begunAt, overAt }) => (
              <tr key={id}>
                <th scope="row">
                  <a href={linkWithin(["task", id])}>{task}</a>
                </th>
                <td>{number}</td>
                <td class={`outcome ${outcome.tone}`}>
                  <Mark tone={outcome.tone} /> {outcome.text}
                </td>
                <td class="time">{formatTime(begunAt)}</td>
                <td class="number">{formatDuration(Math.max(0, (overAt ?? now) - begunAt))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
