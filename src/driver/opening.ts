/**
 * Opens what the driver works with, for as long as it takes. A state folder that
 * cannot be used (it is another process's, its disk is full, its mode was changed)
 * must not take the driver from its node: the node says what is wrong instead.
 *
 * It is tried again from time to time, since nobody tells that a disk has room again
 * or a file was moved away.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DriverError } from "../errors.ts";

/** What an attempt came to. */
export type Outcome<Opened> =
  | { readonly opened: Opened; readonly trouble?: undefined }
  | { readonly trouble: DriverError; readonly opened?: undefined };

const firstPauseMs = 50;
const longestPauseMs = 30_000;

/**
 * How long an agent is kept waiting that asks for its tasks, counted for all of them from
 * the first attempt on. It asks for one after another before it tells its servers
 * that it is there, and they give a node up that has been silent for 20 s or more.
 */
const patienceMs = 10_000;

export class Opening<Opened> {
  readonly #open: () => Promise<Opened>;
  readonly #tell: (outcome: Outcome<Opened>) => void;
  readonly #ending = new AbortController();
  readonly #begun = Promise.withResolvers<void>();
  readonly #over: Promise<void>;
  /** Resolves once it is opened, or that takes longer than anyone may be kept waiting. */
  readonly settled: Promise<unknown>;

  /**
   * @param open one attempt, which leaves nothing behind where it fails
   * @param tell called with what came of an attempt, if it was not the same before
   */
  constructor(open: () => Promise<Opened>, tell: (outcome: Outcome<Opened>) => void) {
    this.#open = open;
    this.#tell = tell;
    this.#over = this.#keepTrying();
    this.settled = Promise.race([this.#over, this.#pause(patienceMs)]);
  }

  /** Resolves once something was told. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  /** Resolves once nothing is tried any more; what was being opened just then is told as ever. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#over;
  }

  async #keepTrying(): Promise<void> {
    let pauseMs = firstPauseMs;
    let told = "";
    while (!this.#ending.signal.aborted) {
      const outcome = await this.#attempt();
      const { trouble } = outcome;
      if (trouble?.message !== told) this.#tell(outcome);
      this.#begun.resolve();
      if (trouble === undefined) break;
      told = trouble.message;
      await this.#pause(pauseMs);
      pauseMs = Math.min(2 * pauseMs, longestPauseMs);
    }
    this.#begun.resolve();
  }

  async #attempt(): Promise<Outcome<Opened>> {
    try {
      return { opened: await this.#open() };
    } catch (thrown) {
      return { trouble: DriverError.from(thrown, "PLUGIN_FAILED", "the driver cannot begin to work") };
    }
  }

  /** Keeps no process alive: a plugin that is to end does not wait for its folder. */
  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { ref: false, signal: this.#ending.signal }).catch(() => undefined);
  }
}
