/** Tasks of this node, from its event logs. */

import type { Subscription } from "rxjs";
import { initialSnapshot } from "../../machines/fold.ts";
import { type TaskTimes, timesAfter } from "../../machines/taskOutline.ts";
import { readHistory } from "../../replay/storedHistory.ts";
import type { Pin } from "../../store/folder/keptHistories.ts";
import { logFolders } from "../../store/folder/logFolders.ts";
import type { FoundRun } from "../logs/chosenRun.ts";
import { EventLogs } from "../logs/eventLogs.ts";
import { stepReadable } from "../logs/taskHistory.ts";
import type { NodeTask } from "./taskRow.ts";

/**
 * The tasks in the order of their requests.
 * @param runs the tasks' runs, whose events are read
 */
export function nodeTasks(runs: readonly FoundRun[], pins: ReadonlyMap<string, Pin>): NodeTask[] {
  const tasks = runs.map(({ id, reader }): NodeTask => {
    const lastUse = () => reader.usage(id).at(-1)?.time;
    const events = readHistory(reader, id);
    const begunAt = events[0]?.time ?? 0;
    let times: TaskTimes = { endedAt: null, changedAt: begunAt };
    let snapshot = initialSnapshot;
    for (const event of events) {
      snapshot = stepReadable(snapshot, event);
      times = timesAfter(times, snapshot.context, event.time, lastUse);
    }
    return { id, snapshot, begunAt, ...times, lastUse, pin: pins.get(id) };
  });
  return tasks.sort((a, b) => a.begunAt - b.begunAt);
}

/** The running tasks of this node. Reads the event logs again only after new events. */
export class RunningTasks {
  readonly #stateDir: string;
  #logs: EventLogs;
  #subscription: Subscription;
  /** The tasks; undefined after new events. */
  #cached: readonly NodeTask[] | undefined;

  private constructor(stateDir: string, logs: EventLogs) {
    this.#stateDir = stateDir;
    this.#logs = logs;
    this.#subscription = this.#follow();
  }

  /** @throws DriverError `STORE_FAILED` if there is no event log, or one cannot be read */
  static async open(stateDir: string): Promise<RunningTasks> {
    return new RunningTasks(stateDir, await EventLogs.open(stateDir));
  }

  /** The tasks in the order of their requests. Opens all logs again if a local run has added one. */
  async current(): Promise<readonly NodeTask[]> {
    if (logFolders(this.#stateDir).join() !== this.#logs.folders.join()) {
      await this.close();
      this.#logs = await EventLogs.open(this.#stateDir);
      this.#subscription = this.#follow();
      this.#cached = undefined;
    }
    this.#cached ??= nodeTasks(this.#logs.running(), this.#logs.pins());
    return this.#cached;
  }

  async close(): Promise<void> {
    this.#subscription.unsubscribe();
    await this.#logs.close();
  }

  #follow(): Subscription {
    return this.#logs.coming().subscribe({
      next: () => {
        this.#cached = undefined;
      },
      // The next read fails as well, and reports the error.
      error: () => {
        this.#cached = undefined;
      },
    });
  }
}
