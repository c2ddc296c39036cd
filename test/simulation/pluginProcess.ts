/** A simulated plugin process: it dies at any of its host calls or between two of its steps. */
import type { Driver } from "../../src/driver/driver.ts";
import { Descriptors, errno } from "./descriptors.ts";
import type { Kernel } from "./kernel.ts";
import type { Life, Scheduler, Step } from "./scheduler.ts";

/** Thrown into the code of a plugin that has died. What it still does has no effect. */
export class Dead extends Error {}

export interface Hazards {
  /** Whether the plugin dies at this call. */
  diesAt(call: string): boolean;
  /** The errno with which this call fails for lack of something; undefined if it does not. */
  failureOf(call: string, path: string): string | undefined;
}

/** A call of the agent that has no answer yet. */
export interface PendingCall {
  readonly what: string;
  /** The step in which the plugin gets the call. */
  readonly message: Step;
  readonly controller: AbortController;
  /** Called in a step of the agent, if the plugin dies before its answer. */
  readonly broken: () => void;
}

export class PluginProcess {
  readonly number: number;
  readonly life: Life;
  readonly scheduler: Scheduler;
  readonly fds: Descriptors;
  readonly pending = new Set<PendingCall>();
  /** Whether the log has taken every event of this process. */
  isSaved = true;
  readonly #hazards: Hazards;
  readonly #onEnd: (() => void)[] = [];
  readonly #onDeath: (plugin: PluginProcess) => void;
  readonly #begin: () => Driver;
  #driver: Driver | undefined;

  constructor(
    number: number,
    kernel: Kernel,
    hazards: Hazards,
    begin: () => Driver,
    onDeath: (plugin: PluginProcess) => void,
  ) {
    this.number = number;
    this.scheduler = kernel.scheduler;
    this.life = kernel.scheduler.newLife(`plugin ${number}`);
    this.fds = new Descriptors(kernel);
    this.#hazards = hazards;
    this.#begin = begin;
    this.#onDeath = onDeath;
  }

  /** The driver of this process, from its first call on. */
  get driver(): Driver {
    this.#driver ??= this.#begin();
    return this.#driver;
  }

  /** To be called at each host call, before it does anything. */
  enter(call: string, path = ""): void {
    if (this.life.dead) throw new Dead();
    this.scheduler.note(`    ${call} ${path}`);
    if (this.#hazards.diesAt(call)) {
      this.die(`at ${call} ${path}`);
      throw new Dead();
    }
    const code = this.#hazards.failureOf(call, path);
    if (code === undefined) return;
    this.scheduler.note(`    … fails: ${code}`);
    if (call === "commit") this.isSaved = false;
    throw errno(code, call, path);
  }

  /** @param then called when the process ends */
  onEnd(then: () => void): void {
    this.#onEnd.push(then);
  }

  /** The kernel ends the process: its descriptors are closed, and it does nothing more. */
  die(why: string): void {
    if (this.life.dead) return;
    this.scheduler.note(`plugin ${this.number} dies ${why}`);
    for (const number of this.fds.numbers) this.fds.close(number);
    this.life.dead = true;
    for (const then of this.#onEnd) then();
    this.#onDeath(this);
  }
}
