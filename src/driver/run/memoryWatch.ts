/** Records OOM kills that a task survives. */
import { watchOutOfMemory } from "../../effects/cgroup/outOfMemory.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { oomOf } from "./exit.ts";
import type { RunTask } from "./runTask.ts";

export class MemoryWatch {
  readonly #task: RunTask;
  readonly #pauses = new GrowingPauses(() => void this.#record());
  #seen: TaskContext["oom"] = null;

  constructor(task: RunTask) {
    this.#task = task;
  }

  /** @param cancelled ends the watch */
  begin(cancelled: AbortSignal): void {
    const { request } = this.#task.snapshot.context;
    if (request === null) return;
    const cancel = watchOutOfMemory(request.resources.cgroup, () => this.look());
    cancelled.addEventListener("abort", () => {
      cancel();
      this.#pauses.stop();
    });
  }

  /**
   * Looks for OOM kills that were not seen before. The first is recorded at once. A task
   * can cause them as fast as it likes, so later ones are recorded together, in growing pauses.
   */
  look(): void {
    const found = oomOf(this.#task.snapshot.context);
    if (found === null || found.kills <= (this.seen?.kills ?? 0)) return;
    this.#seen = { ...found, at: Date.now() };
    this.#pauses.ask();
  }

  /** The last OOM kill that the task survived, recorded or not. */
  get seen(): TaskContext["oom"] {
    return this.#seen ?? this.#task.snapshot.context.oom;
  }

  async #record(): Promise<void> {
    const { seen } = this;
    if (seen === null) return;
    const { kills, limitBytes, peakBytes } = seen;
    await this.#task.record("oomSeen", { kills, limitBytes, peakBytes });
  }
}

const firstPauseMs = 60_000;
const maxPauseMs = 3_600_000;

/**
 * Runs an action when it is first asked for, and later at most once in each pause.
 * What is asked for in a pause runs once, at its end. Pauses begin with a minute
 * and double up to an hour: some thirty runs on a task's first day, then 24 a day.
 */
class GrowingPauses {
  readonly #action: () => void;
  #pauseMs = firstPauseMs;
  #timer: NodeJS.Timeout | undefined;
  #asked = false;

  constructor(action: () => void) {
    this.#action = action;
  }

  ask(): void {
    if (this.#timer !== undefined) {
      this.#asked = true;
      return;
    }
    this.#asked = false;
    this.#timer = setTimeout(() => this.#pauseOver(), this.#pauseMs).unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, maxPauseMs);
    this.#action();
  }

  /** Runs nothing any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#asked = false;
  }

  #pauseOver(): void {
    this.#timer = undefined;
    if (this.#asked) this.ask();
  }
}
