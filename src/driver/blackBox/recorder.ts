/** The plugin's black box: opens it if the options say so, and says why it is not open. */
import { BehaviorSubject, type Observable } from "rxjs";
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import type { BlackBox, WatchedRun } from "../../effects/blackBox/blackBox.ts";
import type { BlackBoxMode } from "../../effects/blackBox/options.ts";

export class Recorder implements Disposable {
  readonly #log: Logger;
  readonly #problem = new BehaviorSubject<string | undefined>(undefined);
  #box: BlackBox | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Why the box is not open although the options want it. */
  get problem(): string | undefined {
    return this.#problem.value;
  }

  /** Emits {@link problem} now and after every change. */
  get problems(): Observable<string | undefined> {
    return this.#problem;
  }

  /**
   * Opens or closes the box. Never rejects: a failure becomes the problem.
   * @param cgroupMount where cgroup v2 is mounted; undefined if it is not
   */
  async configure(mode: BlackBoxMode, cgroupMount: string | undefined): Promise<void> {
    if (mode === "off") {
      this[Symbol.dispose]();
      this.#problem.next(undefined);
      return;
    }
    if (this.#box !== undefined) return;
    try {
      // Loaded here, because most plugins have no black box.
      const { BlackBox } = await import("../../effects/blackBox/blackBox.ts");
      this.#box = await BlackBox.open(cgroupMount);
      this.#problem.next(undefined);
    } catch (thrown) {
      const reason = messageOf(thrown);
      this.#problem.next(reason);
      this.#log[mode === "on" ? "warn" : "info"]("the black box is not open", { reason });
    }
  }

  /**
   * Begins to note what concerns a run. Undefined without a box. Never throws: a run that cannot be watched runs
   * all the same.
   * @param cgroup of the run
   */
  watch(cgroup: string): WatchedRun | undefined {
    try {
      return this.#box?.watch(cgroup);
    } catch (thrown) {
      this.#log.warn("the black box does not watch a task", { cgroup, reason: messageOf(thrown) });
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#box?.[Symbol.dispose]();
    this.#box = undefined;
  }
}
