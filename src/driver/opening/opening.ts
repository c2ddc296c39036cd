/**
 * Opens what the driver works with, for as long as it takes. A state folder that
 * cannot be used (it is another process's, its disk is full, its mode was changed)
 * must not take the driver from its node: the node says what is wrong instead.
 *
 * A plugin that has outlived its agent hands the folder over when it is asked; another
 * one's end is noticed. It is tried again from time to time in any case, since nobody
 * tells that a disk has room again, a file was moved away, or an agent has gone.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DriverError, messageOf } from "../../errors.ts";
import type { FolderOwner } from "../driverPort.ts";

/** What an attempt came to. */
export type Outcome<Opened> =
  | { readonly opened: Opened; readonly trouble?: undefined }
  | { readonly trouble: DriverError; readonly opened?: undefined };

const firstPauseMs = 50;
const maxPauseMs = 30_000;

/**
 * How long an agent is kept waiting that asks for its tasks, counted for all of them from
 * the first attempt on. It asks for one after another before it tells its servers
 * that it is there, and they give a node up that has been silent for 20 s or more.
 */
const patienceMs = 10_000;

/** Why it cannot be opened, and whose the folder is. */
interface Trouble {
  readonly trouble: DriverError;
  /** The plugin that owns it, if that could be asked. */
  readonly owner?: FolderOwner;
}

export class Opening<Opened> {
  readonly #open: () => Promise<Opened>;
  readonly #ask: (signal: AbortSignal) => Promise<FolderOwner>;
  readonly #tell: (outcome: Outcome<Opened>) => void;
  readonly #ending = new AbortController();
  readonly #begun = Promise.withResolvers<void>();
  readonly #over: Promise<void>;
  /** Resolves once it is opened, or that takes longer than anyone may be kept waiting. */
  readonly settled: Promise<unknown>;

  /**
   * @param open one attempt, which leaves nothing behind where it fails
   * @param ask asks the plugin for the folder that owns it; called where one does
   * @param tell called with what came of an attempt, if it was not the same before
   */
  constructor(
    open: () => Promise<Opened>,
    ask: (signal: AbortSignal) => Promise<FolderOwner>,
    tell: (outcome: Outcome<Opened>) => void,
  ) {
    this.#open = open;
    this.#ask = ask;
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
    const { signal } = this.#ending;
    let pauseMs = firstPauseMs;
    let told = "";
    while (!signal.aborted) {
      const outcome = await this.#attempt();
      if (outcome.trouble === undefined) {
        this.#tell(outcome);
        this.#ending.abort();
        break;
      }
      const { trouble, owner } = await this.#askOwner(outcome.trouble);
      if (!owner?.handedOver && !signal.aborted) {
        if (trouble.message !== told) this.#tell({ trouble });
        told = trouble.message;
        this.#begun.resolve();
      }
      pauseMs = (await this.#letsGo(owner, pauseMs)) ? firstPauseMs : Math.min(2 * pauseMs, maxPauseMs);
      owner?.forget();
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

  async #askOwner(trouble: DriverError): Promise<Trouble> {
    const { code, summary } = trouble;
    if (code !== "STATE_DIR_IN_USE") return { trouble };
    try {
      const owner = await this.#ask(this.#ending.signal);
      const connected = new DriverError(code, `${summary}, and an agent is connected to it`, {
        hint: "Give each agent of this host a state_dir of its own. If the other agent ends, with its plugin, this one takes the folder over",
      });
      return { trouble: connected, owner };
    } catch (thrown) {
      const silent = new DriverError(code, `${summary}, and cannot be asked for it: ${messageOf(thrown)}`, {
        hint: "End that process: its tasks go on, and this plugin takes them over. Or choose another state_dir",
      });
      return { trouble: silent };
    }
  }

  /** Waits until the owner has let go of the folder, but only for a while; whether it has. */
  async #letsGo(owner: FolderOwner | undefined, ms: number): Promise<boolean> {
    if (owner?.handedOver) return true;
    const paused = this.#pause(ms).then(() => false);
    const gone = owner ? await Promise.race([paused, owner.ended.then(() => true)]) : await paused;
    // The kernel breaks its connections a little before it drops its locks, or a little after.
    if (gone) await this.#pause(firstPauseMs);
    return gone;
  }

  /** Keeps no process alive: a plugin that is to end does not wait for its folder. */
  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { ref: false, signal: this.#ending.signal }).catch(() => undefined);
  }
}
