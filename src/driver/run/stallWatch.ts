/** Records when a task with the option `pressure` stalls. */
import { DriverError } from "../../base/errors.ts";
import { type PressureTrigger, pressureTriggers } from "../../effects/cgroup/pressure.ts";
import type { PressureWatch } from "../../effects/cgroup/pressureWatch.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { GrowingPauses } from "../history/growingPauses.ts";
import type { RecordedTask } from "../history/recordedTask.ts";
import { requestedOptions } from "../history/startEvents.ts";
import type { RunGround, RunPart } from "../runPart.ts";

type Ground = Pick<RunGround<unknown>, "task" | "watching" | "warn">;

/**
 * The pressure of a task. Each trigger's first event is recorded at once, and later ones together, with growing
 * pauses between the records, because a task may stall without end.
 */
export function runStalls({ task, watching, warn }: Ground): RunPart {
  const failed = (thrown: unknown) =>
    warn(DriverError.from(thrown, "KERNEL_CALL_FAILED", "a task's pressure is not watched"));
  return {
    begin() {
      const { request } = task.snapshot.context;
      const triggers = triggersOf({ request });
      if (request === null || triggers.length === 0) return;
      const watches = new DisposableStack();
      watching.add(() => watches.dispose());
      void import("../../effects/cgroup/pressureWatch.ts")
        .then(({ watchPressure }) => {
          for (const trigger of triggers) {
            if (watches.disposed) return;
            const stalls = new Stalls(task, trigger, failed);
            watches.use(stalls);
            stalls.begin((onStall) => watchPressure(request.resources.cgroup, trigger, onStall));
          }
        })
        .catch(failed);
    },
  };
}

/** The triggers of a task; none for most tasks. */
function triggersOf({ request }: Pick<TaskContext, "request">): readonly PressureTrigger[] {
  if (request?.options.pressure === undefined) return [];
  return pressureTriggers(requestedOptions(request).pressure);
}

/** The events of one trigger. */
class Stalls implements Disposable {
  readonly #task: RecordedTask;
  readonly #trigger: PressureTrigger;
  readonly #failed: (thrown: unknown) => void;
  readonly #pauses = new GrowingPauses(() => void this.#record().catch((thrown) => this.#failed(thrown)));
  #watch: PressureWatch | undefined;
  /** The time of the last record, or of the watch's begin, with the waiting until then. */
  #last = { at: 0, stalledMs: 0 };

  constructor(task: RecordedTask, trigger: PressureTrigger, failed: (thrown: unknown) => void) {
    this.#task = task;
    this.#trigger = trigger;
    this.#failed = failed;
  }

  begin(watchPressure: (onStall: () => void) => PressureWatch): void {
    this.#watch = watchPressure(() => this.#pauses.ask());
    this.#last = { at: Date.now(), stalledMs: this.#watch.stalledMs() ?? 0 };
  }

  async #record(): Promise<void> {
    const stalledMs = this.#watch?.stalledMs();
    if (stalledMs === undefined) return;
    const before = this.#last;
    this.#last = { at: Date.now(), stalledMs };
    await this.#task.record("stalled", {
      ...this.#trigger,
      waitedMs: stalledMs - before.stalledMs,
      spanMs: Math.max(0, this.#last.at - before.at),
    });
  }

  [Symbol.dispose](): void {
    this.#pauses.stop();
    this.#watch?.[Symbol.dispose]();
  }
}
