/** A tool in the kernel that watches runs: it is open if the options want it and the host can; otherwise says why not. */
import { BehaviorSubject, type Observable } from "rxjs";
import { messageOf } from "../base/errors.ts";

interface Watching<Watched> extends Disposable {
  /** @param onNews see `Observatory` */
  watch(cgroup: string, onNews?: () => void): Watched;
}

/** Its lines in the agent's log. */
interface KernelToolLog {
  notOpen(level: "warn" | "info", fields: { readonly reason: string }): void;
  notWatching(fields: { readonly cgroup: string; readonly reason: string }): void;
}

interface KernelToolParts<Tool> {
  /** Loads its module, too, because most plugins have no such tool. */
  readonly open: (cgroupMount: string | undefined) => Promise<Tool>;
  readonly log: KernelToolLog;
}

export class KernelTool<Tool extends Watching<Watched>, Watched> implements Disposable {
  readonly #parts: KernelToolParts<Tool>;
  readonly #problem = new BehaviorSubject<string | undefined>(undefined);
  #tool: Tool | undefined;

  constructor(parts: KernelToolParts<Tool>) {
    this.#parts = parts;
  }

  /** Undefined while it is not open. */
  get tool(): Tool | undefined {
    return this.#tool;
  }

  /** Why it is not open although the options want it. */
  get problem(): string | undefined {
    return this.#problem.value;
  }

  /** Emits {@link problem} now and after every change. */
  get problems(): Observable<string | undefined> {
    return this.#problem;
  }

  /**
   * Opens or closes it. Never rejects: a failure becomes the problem.
   * @param mode `auto`: where the host can
   * @param cgroupMount where cgroup v2 is mounted; undefined if it is not
   */
  async configure(mode: "auto" | "on" | "off", cgroupMount: string | undefined): Promise<void> {
    if (mode === "off") {
      this[Symbol.dispose]();
      this.#problem.next(undefined);
      return;
    }
    if (this.#tool !== undefined) return;
    const { open, log } = this.#parts;
    try {
      this.#tool = await open(cgroupMount);
      this.#problem.next(undefined);
    } catch (thrown) {
      const reason = messageOf(thrown);
      this.#problem.next(reason);
      log.notOpen(mode === "on" ? "warn" : "info", { reason });
    }
  }

  /**
   * Begins to watch a run. Undefined if the tool is not open. Never throws: a run that cannot be watched runs all the
   * same.
   * @param cgroup of the run
   * @param onNews for tools that tell of anything new
   */
  watch(cgroup: string, onNews?: () => void): Watched | undefined {
    try {
      return this.#tool?.watch(cgroup, onNews);
    } catch (thrown) {
      this.#parts.log.notWatching({ cgroup, reason: messageOf(thrown) });
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#tool?.[Symbol.dispose]();
    this.#tool = undefined;
  }
}
