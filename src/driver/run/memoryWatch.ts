/** Records OOM kills that a task survives. */
import { watchOutOfMemory } from "../../effects/cgroup/outOfMemory.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { GrowingPauses } from "../history/growingPauses.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { oomOf } from "./runEnd.ts";

export class MemoryWatch {
  readonly #task: RecordedTask;
  readonly #pauses = new GrowingPauses(() => void this.#record());
  #seen: TaskContext["oom"] = null;

  constructor(task: RecordedTask) {
    this.#task = task;
  }

  /** @returns a function that ends the watch */
  begin(): () => void {
    const { request } = this.#task.snapshot.context;
    if (request === null) return () => undefined;
    const cancel = watchOutOfMemory(request.resources.cgroup, () => this.look());
    return () => {
      cancel();
      this.#pauses.stop();
    };
  }

  /**
   * Looks for new OOM kills. The first one is recorded at once. A task can cause them at any rate, so later
   * kills are recorded together, with growing pauses between the records.
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
