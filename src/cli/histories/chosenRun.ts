/** Chooses the run of a task that a person means, and summarizes the outcomes of the task's other runs. */
import { DriverError } from "../../base/errors.ts";
import { allocationIndex, shortNameOf, taskName, taskOfRun } from "../../base/taskId.ts";
import { readHistory } from "../../history/replay/storedHistory.ts";
import { isOver } from "../../machines/taskMachine.ts";
import { shortResult } from "../../machines/taskOutline.ts";
import type { EventReader, StreamEntry } from "../../store/eventStore.ts";
import { formatTime } from "../../units/times.ts";
import { visible } from "../../units/visible.ts";
import { foldReadable, readable } from "./readHistory.ts";

/** A run of a task, and the log that holds it. */
export interface FoundRun {
  readonly id: string;
  readonly head: StreamEntry;
  readonly reader: EventReader;
}

export interface ChosenRun extends FoundRun {
  /** The outcomes of the other runs, on one line; undefined if there are none. */
  readonly note: string | undefined;
}

/** The note counts the outcomes of at most this many runs. */
const maxCounted = 100;
/** At most this many runs, the newest, are told apart by their tasks: each costs some 70 µs. */
const maxCompared = 500;

/**
 * Chooses one of the runs that match a name: the running one, or else the newest one.
 * @param name undefined means any task
 * @param back chooses by age instead: the number of runs to go back from the newest one
 * @throws DriverError `TASK_NOT_FOUND` if there are not that many runs
 * @throws DriverError `TASK_AMBIGUOUS` if several runs are running, or if none is and the name means several tasks
 */
export function chooseRun(
  name: string | undefined,
  runs: readonly FoundRun[],
  back: number | undefined,
): ChosenRun {
  const running = back === undefined ? runs.filter(isRunning) : [];
  const recent = newest(runs, maxCompared);
  const keyOf = taskKeys();
  const tasks = Map.groupBy(recent, keyOf);
  if (name !== undefined) {
    const ofTasks = () => [...tasks.values()].flatMap((own) => newest(own, 1));
    refuseAmbiguous(name, running.length > 0 ? running : ofTasks());
  }
  const [chosen] = running.length > 0 ? newest(running, 1) : newest(runs, (back ?? 0) + 1).slice(back ?? 0);
  if (chosen === undefined) {
    const count = runs.length === 1 ? "one run" : `${runs.length} runs`;
    throw new DriverError("TASK_NOT_FOUND", `there is no run ${-(back ?? 0)}: the log holds ${count}`, {
      hint:
        runs.length === 1 ? undefined : `--run takes 0 (the newest run) to ${1 - runs.length} (the oldest)`,
    });
  }
  const own = name === undefined ? recent : (tasks.get(keyOf(chosen)) ?? []);
  const others = own.filter(({ id }) => id !== chosen.id);
  const which = back !== undefined && back > 0 ? `run ${-back}` : isRunning(chosen) ? "running" : "newest";
  const count = `${others.length + 1}${runs.length > recent.length ? " or more" : ""} runs`;
  const of = name === undefined && tasks.size > 1 ? `${count} of ${tasks.size} tasks` : count;
  return { ...chosen, note: others.length === 0 ? undefined : `${which} of ${of}; ${outcomesOf(others)}` };
}

/**
 * Tells the tasks of runs apart. Two runs are of the same task if they have the same job, group, name, and index
 * in the group, if the index is known. Only the first run of an allocation is read.
 */
function taskKeys(): (run: FoundRun) => string {
  const keys = new Map<string, string>();
  return ({ id, reader }) => {
    const place = taskOfRun(id);
    const known = keys.get(place) ?? keyOf({ id, reader }) ?? place;
    keys.set(place, known);
    return known;
  };
}

/** Undefined if the run's first event cannot be read. */
function keyOf({ id, reader }: Pick<FoundRun, "id" | "reader">): string | undefined {
  try {
    const [first] = reader.readStream(id, 1);
    const request = first && readable(first);
    if (request?.type !== "requested") return undefined;
    const { namespace, jobId, groupName, allocId } = request.data;
    return JSON.stringify([namespace, jobId, groupName, taskName(id), allocationIndex(allocId)]);
  } catch {
    return undefined;
  }
}

/** At most this many candidates are listed. */
const maxListed = 20;

/** @throws DriverError `TASK_AMBIGUOUS` if there are several candidates */
function refuseAmbiguous(name: string, candidates: readonly FoundRun[]): void {
  const [one] = candidates;
  if (one === undefined || candidates.length === 1) return;
  const list = newest(candidates, maxListed).map((run) => `  ${describeRun(run)}`);
  const more = candidates.length > maxListed ? [`  and ${candidates.length - maxListed} more`] : [];
  const what = `${candidates.length} ${isRunning(one) ? "running " : ""}tasks match ${name}`;
  throw new DriverError("TASK_AMBIGUOUS", `${what}:\n${[...list, ...more].join("\n")}`, {
    hint: `Name one with its allocation, such as ${shortNameOf(one.id)}`,
  });
}

/** The outcomes, the most frequent first, such as `others: exit 1 ×4, SIGSEGV`. */
function outcomesOf(others: readonly FoundRun[]): string {
  const counted = others.slice(0, maxCounted);
  const counts = Map.groupBy(counted, ({ reader, id }) =>
    shortResult(foldReadable(readHistory(reader, id)).context),
  );
  const list = [...counts]
    .toSorted(([, a], [, b]) => b.length - a.length)
    .map(([outcome, { length }]) => (length === 1 ? outcome : `${outcome} ×${length}`));
  const whose = counted.length < others.length ? `last ${counted.length} others` : "others";
  return `${whose}: ${list.join(", ")}`;
}

/**
 * The only running run.
 * @throws DriverError `TASK_NOT_FOUND` if no run is running, `TASK_AMBIGUOUS` if more than one is
 */
export function onlyRunning(name: string, runs: readonly FoundRun[]): FoundRun {
  const running = runs.filter(isRunning);
  refuseAmbiguous(name, running);
  const [only] = running;
  if (only) return only;
  const [last] = newest(runs, 1);
  throw new DriverError("TASK_NOT_FOUND", `${name} is not running: ${last ? describeRun(last) : ""}`);
}

/** Such as `6f2d4a9e/web of job shop, begun 2026-11-24 16:05:09.123: exit 1`. */
function describeRun({ id, reader }: FoundRun): string {
  const events = readHistory(reader, id);
  const { context } = foldReadable(events);
  const job = context.request?.jobId ?? "unknown";
  return `${visible(shortNameOf(id))} of job ${visible(job)}, begun ${formatTime(events[0]?.time ?? 0)}: ${shortResult(context)}`;
}

/** Whether a run is running according to its last event. Also true if that event is damaged. */
export function isRunning({ head, reader }: FoundRun): boolean {
  return !isOver(head.state ?? lastState(reader, head));
}

function lastState(reader: EventReader, { stream, version }: StreamEntry): string {
  try {
    const [last] = reader.readStream(stream, version);
    return last?.to ?? "";
  } catch {
    // The event is damaged.
    return "";
  }
}

/**
 * The newest runs, newest first. Runs of one log are in the log's order, and runs of different logs in the
 * order of time.
 */
export function newest(runs: readonly FoundRun[], count: number): FoundRun[] {
  const first: FoundRun[] = [];
  for (const run of newestFirst(runs)) {
    if (first.length === count) break;
    first.push(run);
  }
  return first;
}

/** All runs in the order of {@link newest}, found one by one. */
export function* newestFirst(runs: readonly FoundRun[]): Generator<FoundRun> {
  const logs = [...Map.groupBy(runs, ({ reader }) => reader).values()].map((list) => ({
    rest: list.toSorted((a, b) => a.head.firstPosition - b.head.firstPosition),
    begunAt: Number.NaN,
  }));
  for (;;) {
    const left = logs.filter(({ rest }) => rest.length > 0);
    const [only] = left;
    if (only === undefined) return;
    // With only one log there is nothing to compare, so its events need not be read.
    if (left.length > 1) for (const log of left) log.begunAt = timeOfRequest(log.rest.at(-1) as FoundRun);
    yield left.reduce((a, b) => (b.begunAt > a.begunAt ? b : a), only).rest.pop() as FoundRun;
  }
}

/** Time of a run's request, in milliseconds since the epoch; 0 if its first event is damaged. */
export function timeOfRequest({ id, reader }: Pick<FoundRun, "id" | "reader">): number {
  try {
    const [first] = reader.readStream(id, 1);
    return first?.time ?? 0;
  } catch {
    return 0;
  }
}
