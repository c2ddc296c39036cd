/**
 * Opens the driver's services, and retries until an attempt succeeds. A state folder that cannot be used
 * (another process owns it, its disk is full, its mode was changed) must not disable the driver for ever.
 * Meanwhile, the node's health shows what is wrong.
 *
 * A plugin that has outlived its agent hands the folder over on request. From any other owner, this process
 * takes the folder over when the owner ends. This process also retries periodically, because nothing reports
 * that a disk has room again, that a file was moved away, or that an agent has disconnected.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DriverError, messageOf } from "../../base/errors.ts";
import type { FolderOwner } from "../driverPort.ts";

/** The outcome of an attempt. */
export type Outcome<Opened> =
  | { readonly opened: Opened; readonly error?: undefined }
  | { readonly error: DriverError; readonly opened?: undefined };

const firstPauseMs = 50;
const maxPauseMs = 30_000;

/**
 * Maximum time for which recoveries of tasks wait for the services, from the first attempt on. An agent
 * recovers its tasks one after another before it reports to its servers, which give up on a node after some
 * 20 s of silence.
 */
const maxWaitMs = 10_000;

/** Why an attempt failed, and who owns the folder. */
interface Failure {
  readonly error: DriverError;
  /** The plugin that owns the folder, if it has answered. */
  readonly owner?: FolderOwner;
}

export class Opening<Opened> {
  readonly #open: () => Promise<Opened>;
  readonly #ask: (signal: AbortSignal) => Promise<FolderOwner>;
  readonly #report: (outcome: Outcome<Opened>) => void;
  readonly #ending = new AbortController();
  readonly #firstOutcome = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;
  /** Resolves once the services are open, or after {@link maxWaitMs}. */
  readonly settled: Promise<unknown>;

  /**
   * @param open makes one attempt, which leaves nothing behind if it fails
   * @param ask asks the plugin that owns the folder to hand it over; called if another plugin owns it
   * @param report called with the outcome of each attempt. A failure is not reported if it repeats the last
   *   reported error, or if the owner then hands the folder over
   */
  constructor(
    open: () => Promise<Opened>,
    ask: (signal: AbortSignal) => Promise<FolderOwner>,
    report: (outcome: Outcome<Opened>) => void,
  ) {
    this.#open = open;
    this.#ask = ask;
    this.#report = report;
    this.#ended = this.#keepTrying();
    this.settled = Promise.race([this.#ended, this.#pause(maxWaitMs)]);
  }

  /** Resolves once the first outcome has been reported. */
  get firstOutcome(): Promise<void> {
    return this.#firstOutcome.promise;
  }

  /** Stops retrying. Resolves once the running attempt has ended. A success is still reported. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#ended;
  }

  async #keepTrying(): Promise<void> {
    const { signal } = this.#ending;
    let pauseMs = firstPauseMs;
    let reported = "";
    while (!signal.aborted) {
      const outcome = await this.#attempt();
      if (outcome.error === undefined) {
        this.#report(outcome);
        this.#ending.abort();
        break;
      }
      const { error, owner } = await this.#askOwner(outcome.error);
      if (!owner?.handedOver && !signal.aborted) {
        if (error.message !== reported) this.#report({ error });
        reported = error.message;
        this.#firstOutcome.resolve();
      }
      pauseMs = (await this.#released(owner, pauseMs)) ? firstPauseMs : Math.min(2 * pauseMs, maxPauseMs);
      owner?.forget();
    }
    this.#firstOutcome.resolve();
  }

  async #attempt(): Promise<Outcome<Opened>> {
    try {
      return { opened: await this.#open() };
    } catch (thrown) {
      return { error: DriverError.from(thrown, "PLUGIN_FAILED", "the driver cannot begin to work") };
    }
  }

  async #askOwner(error: DriverError): Promise<Failure> {
    const { code, summary } = error;
    if (code !== "STATE_DIR_IN_USE") return { error };
    try {
      const owner = await this.#ask(this.#ending.signal);
      const connected = new DriverError(code, `${summary}, and an agent is connected to it`, {
        hint: "Give each agent of this host a state_dir of its own. If the other agent and its plugin end, this plugin takes the folder over",
      });
      return { error: connected, owner };
    } catch (thrown) {
      const silent = new DriverError(code, `${summary}, and does not answer: ${messageOf(thrown)}`, {
        hint: "End that process: its tasks go on, and this plugin takes them over. Or choose another state_dir",
      });
      return { error: silent };
    }
  }

  /**
   * Waits until the owner has released the folder, for `ms` at most. @returns whether the folder is released
   */
  async #released(owner: FolderOwner | undefined, ms: number): Promise<boolean> {
    if (owner?.handedOver) return true;
    const paused = this.#pause(ms).then(() => false);
    const exited = owner ? await Promise.race([paused, owner.ended.then(() => true)]) : await paused;
    // When a process exits, the kernel closes its connections shortly before or after releasing its locks.
    if (exited) await this.#pause(firstPauseMs);
    return exited;
  }

  /** The timer does not keep the process alive: a plugin that ends does not wait for its folder. */
  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { ref: false, signal: this.#ending.signal }).catch(() => undefined);
  }
}
