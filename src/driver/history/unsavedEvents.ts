/**
 * Events that the log has refused, for example because its disk is full. The plugin keeps trying to store
 * them until the log accepts them, even if their tasks record no further events. One timer serves all tasks,
 * because they share the disk.
 */

import { DriverError, isShortage, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import type { RecordedTask } from "./recordedTask.ts";

const firstPauseMs = 250;
const maxPauseMs = 30_000;

/** The part of a task that is needed to store its events. */
type UnsavedTask = Pick<RecordedTask, "id" | "stored">;

export class UnsavedEvents {
  readonly #log: Logger;
  readonly #tasks = new Map<UnsavedTask, PromiseWithResolvers<void>>();
  #pauseMs = firstPauseMs;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * Adds a task whose events were refused, or could not be made for lack of something on the host. Logs the
   * error of the first such task. Gives up on events that can never be stored.
   */
  add(task: UnsavedTask, error: DriverError): void {
    if (!isTemporary(error)) {
      this.#giveUp(task, error);
      return;
    }
    if (this.#tasks.has(task)) return;
    this.#tasks.set(task, Promise.withResolvers());
    if (this.#tasks.size > 1) return;
    const { code, message } = error;
    this.#log.error("events cannot be stored; tasks go on, and the plugin tries again", {
      code,
      error: message,
    });
    this.#retryLater();
  }

  /** Resolves once the task has no unsaved events left. */
  async whenStored(task: UnsavedTask): Promise<void> {
    await this.#tasks.get(task)?.promise;
  }

  /** Tries one last time to store the events. */
  async close(): Promise<void> {
    this.stop();
    if (this.#tasks.size === 0) return;
    try {
      await this.#storeAll();
    } catch (thrown) {
      const tasks = this.#tasks.size;
      this.#log.error("the last events of some tasks were not stored", { tasks, error: messageOf(thrown) });
    }
  }

  /** No further attempt is made. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#isOver = true;
  }

  #retryLater(): void {
    if (this.#isOver) return;
    this.#timer = setTimeout(() => void this.#retry(), this.#pauseMs).unref();
  }

  async #retry(): Promise<void> {
    try {
      await this.#storeAll();
      this.#pauseMs = firstPauseMs;
      this.#log.info("the event log takes events again");
    } catch {
      this.#pauseMs = Math.min(2 * this.#pauseMs, maxPauseMs);
      this.#retryLater();
    }
  }

  /** Stores the events task by task. Stops at the first refusal: the log would refuse the rest, too. */
  async #storeAll(): Promise<void> {
    for (const [task, { resolve }] of this.#tasks) {
      await task.stored().catch((thrown: unknown) => {
        const error = DriverError.from(thrown, "STORE_FAILED", "events could not be stored");
        if (isTemporary(error)) throw error;
        this.#giveUp(task, error);
      });
      this.#tasks.delete(task);
      resolve();
    }
  }

  /** Logs that the task's events are lost. Another attempt would fail in the same way. */
  #giveUp(task: UnsavedTask, { code, message }: DriverError): void {
    this.#log.error("events of a task can never be stored", { task_id: task.id, code, error: message });
  }
}

function isTemporary(error: DriverError): boolean {
  return error.code === "STORE_FAILED" || isShortage(error);
}
