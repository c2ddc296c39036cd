/** An observed run: what it used, and how far its record tells that. Pure. */
import { parentJob } from "../../base/jobName.ts";
import { type Uses, unionOfUses } from "../../effects/observe/uses.ts";
import { MASK } from "../../machines/events/defineEvent.ts";
import { type EventData, eventCatalogue } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { countOf } from "../../units/counts.ts";

/** Options of a task by their names in HCL; those with their default values are missing. */
export type RecordedOptions = Readonly<Record<string, unknown>>;

export interface ObservedRun {
  readonly id: string;
  readonly namespace: string;
  readonly job: string;
  readonly group: string;
  readonly task: string;
  /** Milliseconds since the epoch. */
  readonly begunAt: number;
  readonly seenUntil: number;
  readonly options: RecordedOptions;
  readonly sandbox: NonNullable<TaskContext["sandbox"]>;
  readonly names: TaskContext["names"];
  /** What the plugin's candidate would have refused it. */
  readonly wouldDeny: TaskContext["wouldDeny"];
  readonly uses: Uses;
  /** Where paths of the options lead, but for those that are what they are. */
  readonly links: ReadonlyMap<string, string>;
  /** Why the run may have used more, as sentences without full stops; empty if all of it is known. */
  readonly gaps: readonly string[];
  /** Null if the host does not count them. */
  readonly memoryBytes: number | null;
  readonly processes: number | null;
  readonly seesCapabilities: boolean;
}

/** The gap of a run that still goes, or whose end was not seen. */
export const notEnded = "it had not ended";

/** Undefined for a run that was not observed. @param context after the last event */
export function observedRun(
  { request, sandbox, names, wouldDeny, startedAt, recoveries }: TaskContext,
  events: readonly Pick<StoredEvent, "type" | "data" | "time" | "stream">[],
): ObservedRun | undefined {
  const found = events.filter(({ type }) => type === "observed");
  const last = found.at(-1);
  const read = found.map(({ data }) => eventCatalogue.observed.schema.safeParse(data).data);
  const observed = read.filter((data) => data !== undefined);
  const end = observed.at(-1);
  if (request === null || sandbox === null || last === undefined || end === undefined) return undefined;
  const lost = countOfWatches(observed, "lost");
  const missed = countOfWatches(observed, "missed");
  const most = (of: (each: EventData<"observed">) => number | null) =>
    observed.reduce<number | null>((sum, each) => Math.max(sum ?? 0, of(each) ?? 0) || sum, null);
  return {
    id: last.stream,
    ...{ namespace: request.namespace, job: parentJob(request.jobId) },
    ...{ group: request.groupName, task: request.taskName },
    begunAt: startedAt ?? last.time,
    seenUntil: last.time,
    options: request.options,
    ...{ sandbox, names, wouldDeny },
    uses: unionOfUses(
      observed.map(({ moves = [], ...each }) => ({
        ...each,
        paths: each.paths.filter((path) => path.includes(":/")),
        moves: moves.filter((text) => text !== MASK),
      })),
    ),
    links: new Map(observed.flatMap(({ links }) => links.map(({ path, leadsTo }) => [path, leadsTo]))),
    gaps: [
      ...(observed.every(({ fromStart }) => fromStart) && recoveries === 0
        ? []
        : ["its plugin was restarted meanwhile"]),
      ...(end.isLast ? [] : [notEnded]),
      ...(observed.length < read.length ? ["an event of it is damaged"] : []),
      ...(observed.some(({ paths }) => paths.includes(MASK))
        ? ["its paths are masked: export it with --show-args"]
        : []),
      ...(lost > 0 ? [`${lost} of its uses are missing`] : []),
      ...(missed > 0 ? [`the kernel missed ${countOf(missed, "call")} of its node meanwhile`] : []),
    ],
    memoryBytes: most(({ memoryBytes }) => memoryBytes),
    processes: most(({ processes }) => processes),
    seesCapabilities: observed.every(({ seesCapabilities }) => seesCapabilities),
  };
}

/** A count that each event of a watch has from the watch's begin on. A plugin's restart begins another watch. */
function countOfWatches(observed: readonly EventData<"observed">[], count: "lost" | "missed"): number {
  const watches = Map.groupBy(observed, ({ since }) => since);
  return [...watches.values()].reduce((sum, each) => sum + Math.max(...each.map((event) => event[count])), 0);
}
