/**
 * Finds the newest good run of a task, for a run that has failed without a known cause. `why` reads all runs of a log,
 * which takes too long for the end of a task: a log has up to millions of events. So this process remembers the good
 * runs whose ends it commits. Only if it has seen none of the task yet, it searches the end of the log, once for all
 * tasks and a part in each turn of the event loop. Only ends that come before this is over wait for it.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { taskName, toTaskId } from "../../base/taskId.ts";
import { shortText } from "../../history/cause/evidence.ts";
import { changesSince, endOf, taskKey } from "../../history/cause/goodRun.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { headerOf, isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader } from "../../store/eventStore.ts";
import { storedHistory } from "./taskHistory.ts";

type Log = Pick<EventReader, "lastPosition" | "scanRecords" | "readRecords" | "readStream" | "version">;

/** Number of the log's last events that are searched, which takes a tenth of a second: some five thousand runs. */
const maxSearched = 32_768;

/** Number of events that are searched in one turn of the event loop. */
const perTurn = 512;

/** Maximum number of runs that are remembered of the tasks of one name: many jobs may have a task of that name. */
const maxRunsOfName = 64;

/** Maximum number of tasks whose newest good run is remembered. */
const maxTasks = 10_000;

/** Longer histories are not read. */
const maxEvents = 1_000;

/** More changes than these do not say what the cause may be. */
const maxChanges = 2;

export class GoodRuns {
  readonly #log: Log;
  /** Ids of runs, by their tasks; undefined for a task without a good run. */
  readonly #newest = new Map<string, string | undefined>();
  /** The runs at the end of the log that may have been good, oldest first, by the names of their tasks. */
  readonly #found = new Map<string, string[]>();
  #searched: Promise<void> | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** To be called for each run whose end is committed. */
  note(id: string, context: TaskContext): void {
    const key = taskKey(context);
    if (key === undefined || endOf(context) !== "good") return;
    this.#remember(key, id);
  }

  /**
   * Adds to the end of a run without a known cause what has changed since the last good run of the same task, if it is
   * one thing or two. Never rejects.
   */
  async withChanges(context: TaskContext, exit: EventData<"exited">): Promise<EventData<"exited">> {
    if (exit.cause?.kind !== "unknown") return exit;
    try {
      const good = await this.#goodRunOf(context);
      const changes = good === undefined ? [] : changesSince(good, { ...context, exit });
      const isTold = changes.length > 0 && changes.length <= maxChanges;
      return isTold ? { ...exit, changes: changes.map(shortText) } : exit;
    } catch {
      return exit;
    }
  }

  async #goodRunOf(failed: TaskContext): Promise<TaskContext | undefined> {
    const key = taskKey(failed);
    if (key === undefined || failed.request === null) return undefined;
    if (!this.#newest.has(key)) {
      this.#searched ??= this.#search();
      await this.#searched;
    }
    // Meanwhile, another run may have ended.
    if (!this.#newest.has(key)) this.#remember(key, this.#goodRunIn(failed.request.taskName, key));
    const id = this.#newest.get(key);
    return id === undefined ? undefined : this.#contextOf(id);
  }

  #goodRunIn(name: string, key: string): string | undefined {
    return this.#found.get(name)?.findLast((id) => {
      const context = this.#isRunOf(key, id) ? this.#contextOf(id) : undefined;
      return context !== undefined && endOf(context) === "good";
    });
  }

  /** Reads the request alone: many jobs may have a task of this name. */
  #isRunOf(key: string, id: string): boolean {
    for (const bytes of this.#log.readRecords(id)) {
      const read = readRecord(bytes);
      if (isDefect(read) || read.event.type !== "requested") return false;
      return taskKey({ request: read.event.data as EventData<"requested"> }) === key;
    }
    return false;
  }

  #contextOf(id: string): TaskContext | undefined {
    try {
      if (this.#log.version(id) > maxEvents) return undefined;
      return storedHistory(toTaskId(id), this.#log)?.snapshot.context;
    } catch {
      // A damaged history is no good run's.
      return undefined;
    }
  }

  #remember(key: string, id: string | undefined): void {
    // The key that was set longest ago comes first.
    this.#newest.delete(key);
    this.#newest.set(key, id);
    for (const oldest of this.#newest.keys()) if (this.#newest.size > maxTasks) this.#newest.delete(oldest);
  }

  async #search(): Promise<void> {
    let count = 0;
    const from = Math.max(1, this.#log.lastPosition() - maxSearched + 1);
    for (const id of this.#log.scanRecords(runThatMayBeGood, from)) {
      count += 1;
      if (count % perTurn === 0) await nextTurn();
      if (id === undefined) continue;
      const runs = this.#found.get(taskName(id)) ?? [];
      if (runs.length === 0) this.#found.set(taskName(id), runs);
      if (runs.push(id) > maxRunsOfName) runs.shift();
    }
  }
}

function runThatMayBeGood(bytes: Buffer): string | undefined {
  if (headerOf(bytes)?.type !== "exited") return undefined;
  const read = readRecord(bytes);
  if (isDefect(read)) return undefined;
  const { stream, from, data } = read.event;
  const { exitCode } = data as EventData<"exited">;
  return exitCode === 0 || from === "stopping" || from === "killing" ? stream : undefined;
}
