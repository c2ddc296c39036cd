/** Where tasks may connect: what all runs share of it. Nothing of it is loaded before the first task needs it. */
import { BehaviorSubject, type Observable } from "rxjs";
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import type { EgressControl } from "../../effects/network/egressControl.ts";
import type { NameBook } from "./nameBook.ts";

export interface EgressTools {
  readonly control: EgressControl;
  readonly names: NameBook;
}

export class TaskEgress implements Disposable {
  readonly #log: Logger;
  readonly #runnerFolder: string | undefined;
  readonly #problem = new BehaviorSubject<string | undefined>(undefined);
  #tools: Promise<EgressTools> | undefined;

  /** @param runnerFolder as of `spawnPlan` */
  constructor(log: Logger, runnerFolder: string | undefined) {
    this.#log = log;
    this.#runnerFolder = runnerFolder;
  }

  /** Why this host cannot restrict where tasks connect, as a sentence without its full stop. */
  get problem(): string | undefined {
    return this.#problem.value;
  }

  /** Emits {@link problem} now and after every change. Does not complete. */
  get problems(): Observable<string | undefined> {
    return this.#problem;
  }

  /** Tries whether the host can. Never rejects. @param cgroupMount where cgroup v2 is mounted */
  async configure(cgroupMount: string | undefined): Promise<void> {
    try {
      const { findEgressProblem } = await import("../../effects/network/egressMaps.ts");
      this.#problem.next(findEgressProblem(cgroupMount));
    } catch (thrown) {
      this.#problem.next(messageOf(thrown));
    }
  }

  tools(): Promise<EgressTools> {
    this.#tools ??= this.#load();
    return this.#tools;
  }

  async #load(): Promise<EgressTools> {
    const [{ EgressControl: Control }, { NameBook: Book }, { resolveName }] = await Promise.all([
      import("../../effects/network/egressControl.ts"),
      import("./nameBook.ts"),
      import("../../effects/network/resolveName.ts"),
    ]);
    const onProblem = (reason: string | undefined) => {
      if (reason !== undefined) this.#log.warn("refused connections of tasks are not recorded", { reason });
    };
    return {
      control: new Control({ runnerFolder: this.#runnerFolder, onProblem }),
      names: new Book(resolveName),
    };
  }

  /** What is in the kernel stays in force. */
  [Symbol.dispose](): void {
    void this.#tools?.then(({ control }) => control[Symbol.dispose]()).catch(() => undefined);
  }
}
