/**
 * The lanes of an allocation on the page of one of its tasks, with links to the task's other runs and to its
 * sibling tasks.
 */
import type { AllocationView } from "../../views/allocationView.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { compareLink, linkWithin } from "../bundle/source.ts";
import { useNow } from "../hooks.ts";
import { LanesCard } from "./lanesCard.tsx";

interface Properties {
  readonly row: TaskSummary;
  /** The allocation's view; undefined while it is loading. */
  readonly view: AllocationView | undefined;
  /** Time of the shown moment: milliseconds since the epoch. */
  readonly time: number;
  readonly choose: (seq: number) => void;
}

export function TaskLanes({ row: { id, allocation, task }, view, time, choose }: Properties) {
  const now = useNow();
  return (
    <section class="card" aria-label="Runs and siblings">
      <h2>
        Runs and siblings{" "}
        <a class="more" href={linkWithin(["allocation", allocation])}>
          the allocation
        </a>
      </h2>
      {view === undefined ? (
        <div class="lane-room" />
      ) : (
        <>
          <Relatives {...{ view, id, task }} />
          <LanesCard view={view} now={now} shown={{ id, time }} chooseEvent={choose} />
        </>
      )}
    </section>
  );
}

interface RelativesProperties {
  readonly view: AllocationView;
  readonly id: string;
  readonly task: string;
}

function Relatives({ view: { tasks }, id, task }: RelativesProperties) {
  const own = tasks.find((each) => each.task === task);
  const index = own?.runs.findIndex((run) => run.id === id) ?? -1;
  const siblings = tasks.filter((each) => each !== own);
  const earlier = own?.runs[index - 1];
  const later = own?.runs[index + 1];
  return (
    <p class="relatives">
      {own === undefined || index === -1 ? null : (
        <span>
          Run {own.earlier + index + 1} of {own.earlier + own.runs.length}
        </span>
      )}
      {earlier === undefined ? null : <a href={linkWithin(["task", earlier.id])}>the run before</a>}
      {earlier === undefined ? null : <a href={compareLink(earlier.id, id)}>compare with the run before</a>}
      {later === undefined ? null : <a href={linkWithin(["task", later.id])}>the run after</a>}
      {siblings.length === 0 ? null : <span>Siblings:</span>}
      {siblings.map(({ task: name, runs }) => (
        <a key={name} href={linkWithin(["task", runs.at(-1)?.id ?? ""])}>
          {name}
        </a>
      ))}
    </p>
  );
}
