/** All event logs below a state folder, read as one. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { filter, firstValueFrom, merge, NEVER, type Observable, Subject, takeUntil } from "rxjs";
import { DriverError, errnoOf } from "../../base/errors.ts";
import { taskName } from "../../base/taskId.ts";
import { loadBundle } from "../../history/replay/bundle/loadBundle.ts";
import { findRuns, hasRuns } from "../../history/replay/findTask.ts";
import { History } from "../../history/replay/history.ts";
import { shownEvent } from "../../history/replay/mask.ts";
import { readHistory } from "../../history/replay/storedHistory.ts";
import { isOver } from "../../machines/taskMachine.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, StoredEvent, StreamEntry } from "../../store/eventStore.ts";
import { type Pin, readPins } from "../../store/folder/keptHistories.ts";
import { bundlesIn, logFolders } from "../../store/folder/logFolders.ts";
import { follow } from "../../store/follow.ts";
import { folderChanges, openEventReader } from "../../store/lmdb/eventReader.ts";
import type { UsageSample } from "../../store/usage/usageSample.ts";
import { requireAccess } from "../requireRoot.ts";
import { warn } from "../terminal/errors.ts";
import { printNote } from "../terminal/output.ts";
import { archivedBundle } from "./archives.ts";
import {
  type ChosenRun,
  chooseRun,
  type FoundRun,
  isRunning,
  newest,
  newestFirst,
  onlyRunning,
} from "./chosenRun.ts";
import { mergeLogs } from "./mergeLogs.ts";
import { type TaskHistory, taskHistory } from "./readHistory.ts";

/** An open log, and its last position when it was opened. */
interface OpenLog {
  readonly reader: EventReader;
  readonly end: number;
  /** The events stored after the position `end`. */
  readonly later: Observable<StoredEvent>;
}

export class EventLogs {
  readonly folders: readonly string[];
  readonly #logs: readonly OpenLog[];
  readonly #closing = new Subject<void>();
  #listed: { readonly end: string; readonly runs: readonly FoundRun[] } | undefined;

  private constructor(folders: readonly string[], logs: readonly OpenLog[]) {
    this.folders = folders;
    this.#logs = logs;
  }

  /**
   * @param path a state folder, a bundle, or a folder of bundles
   * @throws DriverError `STORE_FAILED` if there is no log, or a log cannot be read
   * @throws DriverError `BUNDLE_INVALID`
   */
  static async open(path: string): Promise<EventLogs> {
    if (isFile(path)) return new EventLogs([], [await openBundle(path)]);
    const present = logFolders(path);
    if (present.length === 0) {
      const bundles = bundlesIn(path);
      if (bundles.length > 0) return new EventLogs([], await Promise.all(bundles.map(openBundle)));
      requireAccess(path);
      throw new DriverError("STORE_FAILED", `there is no event log in ${path}`, {
        hint: "Run a job first, or name the driver's state_dir with --state-dir",
      });
    }
    const logs: OpenLog[] = [];
    for (const folder of present) {
      const reader = await openEventReader(folder);
      const end = reader.lastPosition();
      logs.push({ reader, end, later: follow(reader, folderChanges(folder), end + 1) });
    }
    return new EventLogs(present, logs);
  }

  /**
   * Opens the logs that have a task: those of the state folder, or else a bundle in its archive.
   * @throws DriverError as {@link open}
   */
  static async openFor({ path, name }: TaskPlace): Promise<EventLogs> {
    const logs = await EventLogs.open(path);
    if (name === undefined || logs.folders.length === 0 || logs.has({ name })) return logs;
    const bundle = archivedBundle(path, (streams) => hasRuns(name, streams));
    if (bundle === undefined) return logs;
    await logs.close();
    printNote(`${name} is in the archive: ${bundle}`);
    return EventLogs.open(bundle);
  }

  /** Whether any run matches the name. */
  has({ name }: Pick<TaskPlace, "name">): boolean {
    return hasRuns(name, this.tasks());
  }

  /** The state folder whose plugin writes the log of a run; undefined for a run in a bundle. */
  stateFolderOf({ reader }: FoundRun): string | undefined {
    const folder = this.folders[this.readers.indexOf(reader)];
    return folder === undefined ? undefined : dirname(folder);
  }

  /** The pins of histories, by the tasks' ids. */
  pins(): ReadonlyMap<string, Pin> {
    const pins = this.folders.flatMap((folder) => readPins(dirname(folder)));
    return new Map(pins.map((pin) => [pin.task, pin]));
  }

  /** The histories of the newest tasks, by the time of their requests. */
  histories(count: number): TaskHistory[] {
    const histories = newest(this.tasks(), count).map(({ id, reader }) => {
      return taskHistory(id, readHistory(reader, id));
    });
    return histories.sort((a, b) => a.begunAt - b.begunAt);
  }

  get readers(): readonly EventReader[] {
    return this.#logs.map(({ reader }) => reader);
  }

  /**
   * Finds the run that a person means.
   * @throws DriverError `TASK_NOT_FOUND`, `TASK_AMBIGUOUS`
   */
  find({ name, back }: Pick<TaskPlace, "name" | "back">): ChosenRun {
    return chooseRun(name, findRuns(name, this.tasks()), back);
  }

  /**
   * Finds the running task that a person means.
   * @throws DriverError `TASK_NOT_FOUND` if none runs under that name, `TASK_AMBIGUOUS` if several do
   */
  findRunning(name: string): FoundRun {
    const runs = findRuns(name, this.tasks());
    return onlyRunning(name, runs);
  }

  /**
   * The history of the run that a person means.
   * @param showArgs false masks possible secrets
   * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`
   */
  history(place: TaskPlace, showArgs: boolean): ChosenHistory {
    const { id, reader, note } = this.find(place);
    return { history: new History(id, readHistory(reader, id).map(shownEvent(showArgs))), note };
  }

  /** Histories of runs of tasks with the same name that began before the run that a person means, newest first. */
  *earlierRuns(place: TaskPlace): Generator<History> {
    const { id } = this.find(place);
    const named = this.tasks().filter((run) => taskName(run.id) === taskName(id));
    let isEarlier = false;
    for (const run of newestFirst(named)) {
      if (isEarlier) yield new History(run.id, readHistory(run.reader, run.id));
      isEarlier ||= run.id === id;
    }
  }

  /**
   * Usage samples of the run that a person means.
   * @throws DriverError `TASK_NOT_FOUND`
   */
  usage(place: TaskPlace): readonly UsageSample[] {
    const { id, reader } = this.find(place);
    return reader.usage(id);
  }

  /**
   * All tasks with their logs. Reads no events. The result is kept until there are new events, because
   * listing many tasks takes long.
   */
  tasks(): readonly FoundRun[] {
    const end = this.readers.map((reader) => reader.lastPosition()).join();
    if (this.#listed?.end !== end) this.#listed = { end, runs: this.#list() };
    return this.#listed.runs;
  }

  /** Runs that are not over. Logs of this host keep a list of these runs, so ended runs cost nothing. */
  running(): readonly FoundRun[] {
    const runs =
      this.folders.length === 0
        ? this.tasks()
        : this.readers.flatMap((reader) => runsOf(reader, reader.openStreams()));
    return runs.filter(isRunning);
  }

  #list(): FoundRun[] {
    const runs = this.readers.flatMap((reader) => runsOf(reader, reader.streams()));
    return this.folders.length > 0 || this.readers.length < 2 ? runs : longest(runs);
  }

  /**
   * The events of one task, or of all, that were stored when the logs were opened.
   * @param after leaves out the events up to this position of a log. A log that ends before the position is a
   *   later one, whose positions begin anew: it is not cut
   */
  events(task?: string, after = 0): StoredEvent[] {
    const logs = this.#logs.map(({ reader, end }) => {
      const events = task === undefined ? allEvents(reader) : readHistory(reader, task);
      const from = after > end ? 0 : after;
      return events.filter(({ position }) => position > from && position <= end);
    });
    return mergeLogs(logs);
  }

  /** The job of a run, by its request; null if that is unknown. */
  jobOf(id: string): string | null {
    for (const { reader } of this.#logs) {
      const [request] = readHistory(reader, id, 1, 1);
      const job = request && jobIn(request);
      if (job !== undefined) return job;
    }
    return null;
  }

  /** All events stored since the logs were opened, then new ones as they come, until the logs are closed. */
  coming(): Observable<StoredEvent> {
    return merge(...this.#logs.map(({ later }) => later)).pipe(takeUntil(this.#closing));
  }

  /** Resolves once a run is over, or the logs are closed. */
  async untilOver(run: FoundRun): Promise<void> {
    if (!isRunning(run)) return;
    const ends = this.coming().pipe(filter(({ stream, to }) => stream === run.id && isOver(to)));
    await firstValueFrom(ends, { defaultValue: undefined });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Closes the logs, and warns of damage that was found. */
  async close(): Promise<void> {
    const damage = this.readers.flatMap((reader) => reader.damage);
    this.#closing.next();
    for (const each of damage) warn(`the log is damaged: ${each}; see replay --check`);
    await Promise.all(this.#logs.map(({ reader }) => reader.close()));
  }
}

/** The id of the job in the request of a run; undefined for other events. */
export function jobIn({ type, data }: StoredEvent): string | undefined {
  const { jobId } = (type === "requested" ? data : {}) as { readonly jobId?: unknown };
  return typeof jobId === "string" ? jobId : undefined;
}

function runsOf(reader: EventReader, streams: Iterable<StreamEntry>): FoundRun[] {
  return Array.from(streams, (head) => ({ id: head.stream, head, reader }));
}

/**
 * If several bundles hold a run, keeps the longest copy: another copy may have been archived before the run's
 * last event.
 */
function longest(runs: readonly FoundRun[]): FoundRun[] {
  const inOrder = runs.toSorted((a, b) => a.head.version - b.head.version);
  return [...new Map(inOrder.map((run) => [run.id, run])).values()];
}

/**
 * Locates a task.
 * @param task a task's name, the path of a bundle, or `BUNDLE:TASK`
 */
export function locate(task: string | undefined, stateDir: string, back?: number): TaskPlace {
  if (task === undefined) return { path: stateDir, name: undefined, back };
  if (isFile(task)) return { path: task, name: undefined, back };
  const [, bundle = "", name] = /^(.+):([^:]*)$/.exec(task) ?? [];
  return isFile(bundle) ? { path: bundle, name, back } : { path: stateDir, name: task, back };
}

export interface TaskPlace {
  /** A state folder, or a bundle. */
  readonly path: string;
  /** The task's name; undefined for any task, or all tasks. */
  readonly name: string | undefined;
  /** Number of runs to go back from the newest run; undefined for the running run, or else the newest run. */
  readonly back: number | undefined;
}

export interface ChosenHistory {
  readonly history: History;
  /** A note on other runs with the same name; undefined if there are none. */
  readonly note: string | undefined;
}

/** All events by position. If some of them are damaged, the events are read task by task. */
function allEvents(reader: EventReader): StoredEvent[] {
  const events: StoredEvent[] = [];
  for (const read of reader.scanRecords((bytes) => readRecord(bytes))) {
    if (isDefect(read)) return eventsOfTasks(reader);
    events.push(read.event);
  }
  return events;
}

function eventsOfTasks(reader: EventReader): StoredEvent[] {
  const ofTasks = Array.from(reader.streams(), ({ stream }) => readHistory(reader, stream));
  return ofTasks.flat().sort((a, b) => a.position - b.position);
}

async function openBundle(path: string): Promise<OpenLog> {
  const { reader } = await loadBundle(path);
  return { reader, end: reader.lastPosition(), later: NEVER };
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return false;
  }
}
