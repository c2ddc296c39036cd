/**
 * Indexes the tasks of this host as rows, updated by every event that is read. Holds
 * each row and, while a task can still change, its folded state. The state of an ended
 * task is folded from its log again if it is needed.
 */
import { Subject } from "rxjs";
import { DriverError, messageOf } from "../../errors.ts";
import type { EventData } from "../../machines/events.ts";
import { type MachineState, thisMachine } from "../../machines/machineVersion.ts";
import { isAlive, isOver, isStateName } from "../../machines/taskMachine.ts";
import type { LiveTask } from "../../metrics/runningTasks.ts";
import { TaskCounters } from "../../metrics/taskCounters.ts";
import { History } from "../../replay/history.ts";
import { maskEvent } from "../../replay/mask.ts";
import { readHistory } from "../../replay/storedHistory.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
import { taskOfRun } from "../../taskId.ts";
import { bitOf, summaryOf, type TaskSummary } from "../views/taskSummary.ts";

interface Entry {
  readonly reader: EventReader;
  row: TaskSummary;
  /** Undefined once the task is over. */
  state: MachineState | undefined;
}

export class TaskIndex {
  readonly #entries = new Map<string, Entry>();
  /** For each task of an allocation, how many runs it has had, and how many of them are still indexed. */
  readonly #runs = new Map<string, { started: number; known: number }>();
  /** Versions of the plugin processes that the events name, by pid. */
  readonly #plugins = new Map<number, string>();
  /** The last requested history. A page requests it again at every step and with every new event. */
  #lastHistory: History | undefined;
  /** Counts what happens from now on. */
  readonly counters = new TaskCounters(Date.now());
  /** Ids of rows that were changed or removed. */
  readonly changes = new Subject<string>();
  /** Why some events cannot be read; undefined if all can. */
  unreadable: string | undefined;

  /** Takes the next event of a log. */
  take(reader: EventReader, stored: StoredEvent): void {
    const { stream: id, seq } = stored;
    const entry = this.#entries.get(id);
    // Already indexed: its log was opened again.
    if (entry !== undefined && entry.row.events >= seq) return;
    this.#notePlugin(stored.data);
    // Damaged events do not arrive here. After a gap, the state is folded from the stored history.
    const follows = seq === (entry?.row.events ?? 0) + 1;
    const before = (follows ? entry?.state : undefined) ?? stateBefore(reader, id, seq);
    const after = this.#fold(before, stored);
    this.counters.note({ id, time: stored.time, before: before.context, after: after.context });
    const begunAt = entry?.row.begunAt ?? stored.time;
    const restarts = entry?.row.restarts ?? this.#countRun(id);
    const seen = (entry?.row.seen ?? 0) | bitOf(stored.type);
    const place = { id, events: seq, seen, begunAt, changedAt: stored.time, restarts, before: entry?.row };
    const row = summaryOf(place, after);
    const state = isOver(after.value) ? undefined : after;
    this.#entries.set(id, { reader, row, state });
    this.changes.next(id);
  }

  row(id: string): TaskSummary | undefined {
    return this.#entries.get(id)?.row;
  }

  rows(): TaskSummary[] {
    return Array.from(this.#entries.values(), ({ row }) => row);
  }

  /** The tasks that run, by their events. */
  live(): LiveTask[] {
    return Array.from(this.#entries).flatMap(([id, { state }]) =>
      state !== undefined && isStateName(state.value) && isAlive(state.value)
        ? [{ id, context: state.context }]
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

  /** The task's masked history so far; undefined if there is no such task. */
  history(id: string): History | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    const known = this.#lastHistory?.stream === id ? this.#lastHistory : new History(id, []);
    const later = readHistory(entry.reader, id, known.length + 1).map(maskEvent);
    this.#lastHistory = later.length === 0 ? known : known.extended(later);
    return this.#lastHistory;
  }

  /** The task's history as it is stored, to be compared: nothing of it may be shown. Undefined if there is no such task. */
  unmasked(id: string): History | undefined {
    const reader = this.readerOf(id);
    return reader && new History(id, readHistory(reader, id));
  }

  /** Removes tasks of a log from the index. */
  forget(reader: EventReader, isRemoved: (id: string) => boolean): void {
    for (const [id, entry] of this.#entries) {
      if (entry.reader !== reader || !isRemoved(id)) continue;
      this.#entries.delete(id);
      this.#forgetRun(id);
      if (this.#lastHistory?.stream === id) this.#lastHistory = undefined;
      this.changes.next(id);
    }
  }

  #fold(before: MachineState, stored: StoredEvent): MachineState {
    try {
      return thisMachine.step(before, thisMachine.readEvent(maskEvent(stored))).snapshot;
    } catch (thrown) {
      this.unreadable ??= messageOf(thrown);
      // The recorded state is known even if the event cannot be read.
      return { ...before, value: stored.to };
    }
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
    // The log's index is damaged, which the reader reports. The row shows what later events tell.
    return thisMachine.initialSnapshot;
  }
}
