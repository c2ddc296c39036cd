/**
 * Indexes the tasks of this host as rows, updated by every event that is read. Holds each row, the task's
 * steps in eight bytes each and, while events may follow, the newest moment. Other moments are folded from
 * the log on demand.
 */
import { Subject } from "rxjs";
import { DriverError } from "../../base/errors.ts";
import { taskOfRun } from "../../base/taskId.ts";
import type { LiveTask } from "../../history/metrics/runningTasks.ts";
import { TaskCounters } from "../../history/metrics/taskCounters.ts";
import { tableMachine } from "../../history/replay/check/tableMachine.ts";
import { History, type Moment, momentOf } from "../../history/replay/history.ts";
import { maskEvent } from "../../history/replay/mask.ts";
import { isError } from "../../history/replay/search.ts";
import { readHistory } from "../../history/replay/storedHistory.ts";
import { earlierRunSentences } from "../../history/why/earlierRuns.ts";
import type { Sentence } from "../../history/why/facts.ts";
import type { EventData } from "../../machines/events.ts";
import { type MachineState, thisMachine } from "../../machines/machineVersion.ts";
import { isAlive, isStateName } from "../../machines/taskMachine.ts";
import { timesAfter } from "../../machines/taskOutline.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
import { StepTable, unknown } from "../views/stepTable.ts";
import { bitOf, summaryOf, type TaskSummary } from "../views/taskSummary.ts";
import { kindNumber, stateNumber } from "../views/taskView.ts";
import { OpenHistory } from "./openHistory.ts";

interface Entry {
  readonly reader: EventReader;
  readonly row: TaskSummary;
  /** Position of the task's last event in the log. */
  readonly position: number;
  readonly steps: StepTable;
  /** The newest moment; undefined once no event can follow. */
  readonly newest: Moment | undefined;
}

/** Maximum number of events of a run that is compared with another: each is read and folded at once. */
const maxComparedEvents = 500;

/** A history that no page requests for this long is closed: 50,000 events take some 40 MiB. */
const openForMs = 30_000;

export class TaskIndex {
  readonly #machine = tableMachine();
  readonly #entries = new Map<string, Entry>();
  /** For each task of an allocation, how many runs it has had, and how many of them are still indexed. */
  readonly #runs = new Map<string, { started: number; known: number }>();
  /** Versions of the plugin processes that the events name, by pid. */
  readonly #plugins = new Map<number, string>();
  /** The last requested history. A page requests it again at every step and with every new event. */
  #open: OpenHistory | undefined;
  #closing: NodeJS.Timeout | undefined;
  /** Counts events from now on. */
  readonly counters = new TaskCounters(Date.now());
  /** Ids of rows that were changed or removed. */
  readonly changes = new Subject<string>();
  /** Why some events cannot be read; undefined if all events can be read. */
  unreadable: string | undefined;

  /** Takes the next event of a log. */
  take(reader: EventReader, stored: StoredEvent): void {
    const { stream: id, seq } = stored;
    const entry = this.#entries.get(id);
    // The event is already indexed, because its log was opened again.
    if (entry !== undefined && entry.row.events >= seq) return;
    this.#notePlugin(stored.data);
    // Damaged events do not arrive here. After a gap, the state is folded from the stored history.
    const follows = seq === (entry?.row.events ?? 0) + 1;
    const before = (follows ? entry?.newest?.after : undefined) ?? stateBefore(reader, id, seq);
    const moment = this.#momentOf(before, maskEvent(stored), entry?.row.changedAt);
    const { after } = moment;
    const { type, time } = stored;
    this.counters.note({ id, type, time, before: before.context, after: after.context });
    const begunAt = entry?.row.begunAt ?? stored.time;
    const restarts = entry?.row.restarts ?? this.#countRun(id);
    const seen = (entry?.row.seen ?? 0) | bitOf(stored.type);
    const lastUse = () => reader.usage(id).at(-1)?.time;
    const times = timesAfter(entry?.row, after.context, stored.time, lastUse);
    const place = { id, events: seq, seen, begunAt, ...times, restarts };
    const row = summaryOf(place, after);
    const steps = entry?.steps ?? new StepTable();
    const state = stateNumber(stored.to);
    // A damaged event has a step, too.
    while (steps.length < seq - 1) steps.add({ time: stored.time, kind: unknown, state, bad: true });
    steps.add({ time: stored.time, kind: kindNumber(stored.type), state, bad: isError(moment) });
    const { position } = stored;
    const newest = after.value === "destroyed" ? undefined : moment;
    this.#entries.set(id, { reader, row, position, steps, newest });
    this.changes.next(id);
  }

  row(id: string): TaskSummary | undefined {
    return this.#entries.get(id)?.row;
  }

  rows(): TaskSummary[] {
    return Array.from(this.#entries.values(), ({ row }) => row);
  }

  /** Whether any task is still in progress, according to its events. */
  someUnderway(): boolean {
    for (const { row } of this.#entries.values()) {
      if (row.endedAt === null && row.state !== "destroyed") return true;
    }
    return false;
  }

  /** The tasks that are running according to their events. */
  live(): LiveTask[] {
    return Array.from(this.#entries).flatMap(([id, { newest }]) =>
      newest !== undefined && isStateName(newest.after.value) && isAlive(newest.after.value)
        ? [{ id, context: newest.after.context }]
        : [],
    );
  }

  ids(): string[] {
    return [...this.#entries.keys()];
  }

  /** The log that holds a task. */
  readerOf(id: string): EventReader | undefined {
    return this.#entries.get(id)?.reader;
  }

  /** The version of a plugin process; undefined if no event names the process. */
  pluginVersion(pid: number): string | undefined {
    return this.#plugins.get(pid);
  }

  /** The task's steps; undefined if there is no such task. */
  steps(id: string): StepTable | undefined {
    return this.#entries.get(id)?.steps;
  }

  /** The newest moment of a task; undefined once no event can follow. */
  newest(id: string): Moment | undefined {
    return this.#entries.get(id)?.newest;
  }

  /** The logs that hold the tasks. */
  readers(): ReadonlySet<EventReader> {
    return new Set(Array.from(this.#entries.values(), ({ reader }) => reader));
  }

  /** The current state of a task, and the number of the event that led to it. */
  async present(id: string): Promise<{ readonly seq: number; readonly state: MachineState } | undefined> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    if (entry.newest !== undefined) return { seq: entry.newest.seq, state: entry.newest.after };
    const history = await new OpenHistory(entry.reader, id).upToDate();
    return { seq: history.length, state: history.finalState };
  }

  /** Opens the history of a task; undefined if there is no such task. */
  open(id: string): OpenHistory | undefined {
    const reader = this.readerOf(id);
    if (reader === undefined) return undefined;
    if (this.isLost(id)) reader.noteDamage(`the list of tasks lacks ${id}`);
    if (this.#open?.stream !== id || this.#open.reader !== reader) this.#open = new OpenHistory(reader, id);
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => {
      this.#open = undefined;
    }, openForMs).unref();
    return this.#open;
  }

  /** Whether a task's events are in the log, but its list of tasks lacks the task, so that they cannot be found. */
  isLost(id: string): boolean {
    const { reader, position } = this.#entries.get(id) ?? {};
    if (reader === undefined || position === undefined || reader.version(id) > 0) return false;
    for (const event of reader.readIntact(position))
      return event.position === position && event.stream === id;
    return false;
  }

  /**
   * The task's unmasked history, for comparisons only: it must not be shown. Undefined if there is no such
   * task.
   */
  unmasked(id: string): History | undefined {
    const reader = this.readerOf(id);
    return reader && new History(id, readHistory(reader, id));
  }

  /** What earlier runs of the same task say about a run; nothing about a long one. */
  ofEarlierRuns(id: string): Sentence[] {
    const own = this.row(id);
    const history = own === undefined || own.events > maxComparedEvents ? undefined : this.unmasked(id);
    return own && history ? earlierRunSentences(history, this.#earlierRuns(own)) : [];
  }

  /** Unmasked histories of the runs of the same task that began before, newest first, without long ones. */
  *#earlierRuns({ job, group, task, begunAt }: TaskSummary): Generator<History> {
    const isEarlier = (row: TaskSummary) =>
      row.job === job && row.group === group && row.task === task && row.begunAt < begunAt;
    const runs = this.rows().filter((row) => isEarlier(row) && row.events <= maxComparedEvents);
    for (const run of runs.sort((one, other) => other.begunAt - one.begunAt)) {
      const history = this.unmasked(run.id);
      if (history !== undefined) yield history;
    }
  }

  /** The run of the same task in its allocation that began after a run; undefined if there is none. */
  nextRun(id: string): string | undefined {
    const own = this.row(id);
    const later = this.rows().filter(
      (row) => own && row.begunAt > own.begunAt && taskOfRun(row.id) === taskOfRun(id),
    );
    return later.sort((one, other) => one.begunAt - other.begunAt)[0]?.id;
  }

  /** Removes tasks of a log from the index. */
  forget(reader: EventReader, isRemoved: (id: string) => boolean): void {
    for (const [id, entry] of this.#entries) {
      if (entry.reader !== reader || !isRemoved(id)) continue;
      this.#entries.delete(id);
      this.#forgetRun(id);
      if (this.#open?.stream === id) this.#open = undefined;
      this.changes.next(id);
    }
  }

  #momentOf(before: MachineState, stored: StoredEvent, lastAt: number | undefined): Moment {
    const sinceBefore = lastAt === undefined ? undefined : stored.time - lastAt;
    const moment = momentOf(this.#machine, before, stored, sinceBefore);
    if (moment.problem === undefined) return moment;
    this.unreadable ??= moment.problem;
    // The recorded state is known even if the event cannot be read.
    return { ...moment, after: { ...before, value: stored.to } };
  }

  /** Records the plugin process that wrote an event, if the event names it. */
  #notePlugin(data: unknown): void {
    const { plugin } = (data ?? {}) as { readonly plugin?: EventData<"requested">["plugin"] };
    if (plugin !== undefined) this.#plugins.set(plugin.pid, plugin.version);
  }

  /** @returns the number of earlier runs */
  #countRun(id: string): number {
    const runs = this.#runs.get(taskOfRun(id)) ?? { started: 0, known: 0 };
    this.#runs.set(taskOfRun(id), runs);
    runs.known += 1;
    return runs.started++;
  }

  #forgetRun(id: string): void {
    const runs = this.#runs.get(taskOfRun(id));
    if (runs !== undefined && --runs.known === 0) this.#runs.delete(taskOfRun(id));
  }
}

function stateBefore(reader: EventReader, id: string, seq: number): MachineState {
  if (seq === 1) return thisMachine.initialSnapshot;
  try {
    return new History(id, readHistory(reader, id).map(maskEvent)).stateAfter(seq - 1);
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    // The log's index is damaged. The reader reports this damage. The row then shows later events only.
    return thisMachine.initialSnapshot;
  }
}
