/** An agent whose plugin is killed again and again. It launches the next plugin, as agents do. */
import { setTimeout as delay } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { type LaunchedPlugin, launchPlugin, type PluginConnection } from "../../src/grpc/pluginClient.ts";
import { setConfig } from "../support/agent/requests.ts";
import type { Journal } from "../support/host/journal.ts";
import { crashAt } from "./killPoints.ts";
import type { Crash, LogCollection } from "./roundPlan.ts";

/** The plugin died before it answered. */
export class PluginDied extends Error {}

export type DriverCalls = PluginConnection["driver"];

interface Generation {
  readonly number: number;
  readonly plugin: LaunchedPlugin;
  readonly crash: Crash | undefined;
  sent: number;
  killTimer?: NodeJS.Timeout;
}

export interface AgentOptions {
  /** The plugin to launch, built by `buildCrashPlugin`. */
  readonly entry: string;
  readonly stateDir: string;
  readonly sockets: string;
  readonly logs: LogCollection;
  /** The journal of the tasks' output, where journald takes it. */
  readonly journal: Journal | undefined;
  readonly crashes: readonly Crash[];
  /** Called after each death, while no plugin runs. */
  readonly onDeath: () => Promise<void>;
}

export class CrashAgent {
  /** How many plugins were killed. */
  deaths = 0;
  /** The last lines of the plugins' logs. */
  readonly log: string[] = [];
  readonly #options: AgentOptions;
  #number = 0;
  #current: Promise<Generation>;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#current = this.#launch();
    this.#current.catch(() => undefined);
  }

  get logs(): LogCollection {
    return this.#options.logs;
  }

  get journal(): Journal | undefined {
    return this.#options.journal;
  }

  /**
   * Calls the running plugin.
   * @param call also gets the number of the plugin's launch
   * @throws PluginDied if the plugin dies before it answers; the next plugin is being launched by then
   */
  async ask<T>(call: (driver: DriverCalls, launch: number) => Promise<T>): Promise<T> {
    const generation = await this.#current;
    try {
      this.#arm(generation);
      return await call(generation.plugin.driver, generation.number);
    } catch (thrown) {
      if ((thrown as { code?: unknown }).code !== status.UNAVAILABLE) throw thrown;
      await this.#bury(generation);
      if (generation.number === this.#number) {
        this.#current = this.#launch();
        this.#current.catch(() => undefined);
      }
      throw new PluginDied();
    }
  }

  /** Repeats the call until a plugin answers it. */
  async insist<T>(call: (driver: DriverCalls, launch: number) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.ask(call);
      } catch (thrown) {
        if (!(thrown instanceof PluginDied)) throw thrown;
      }
    }
  }

  /** Ends the plugin as an agent does. */
  async close(): Promise<void> {
    const { plugin, killTimer } = await this.#current;
    clearTimeout(killTimer);
    await plugin.close();
  }

  async #launch(): Promise<Generation> {
    for (;;) {
      this.#number += 1;
      const generation = await this.#launchOnce(this.#number);
      try {
        this.#arm(generation);
        const { stateDir, logs, journal } = this.#options;
        const options = {
          ...{ state_dir: stateDir, allow_host_pid: true, log_collection: logs },
          ...(journal && { journal_namespace: journal.namespace }),
        };
        await generation.plugin.base.setConfig(setConfig(options));
        await generation.plugin.driver.init({});
        return generation;
      } catch (thrown) {
        if ((thrown as { code?: unknown }).code !== status.UNAVAILABLE) throw thrown;
        await this.#bury(generation);
      }
    }
  }

  async #launchOnce(number: number): Promise<Generation> {
    const { entry, sockets, crashes } = this.#options;
    const crash = crashes[number - 1];
    const plugin = await launchPlugin({
      command: process.execPath,
      args: [entry],
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: `${entry}.cache`,
        PLUGIN_UNIX_SOCKET_DIR: sockets,
        [crashAt]: crash !== undefined && "at" in crash ? crash.at : "",
      },
      onLogLine: (line) => {
        this.log.push(line);
        if (this.log.length > 40) this.log.shift();
      },
    });
    return { number, plugin, crash, sent: 0 };
  }

  /** Called before each call. If the plugin is to die after this call, starts the timer that kills it. */
  #arm(generation: Generation): void {
    generation.sent += 1;
    const { crash, sent, plugin } = generation;
    if (crash === undefined || "at" in crash || crash.afterCall !== sent) return;
    generation.killTimer = setTimeout(() => process.kill(plugin.pid, "SIGKILL"), crash.ms);
  }

  async #bury({ number, plugin, killTimer }: Generation): Promise<void> {
    const end = await Promise.race([plugin.exited, delay(10_000)]);
    if (end === undefined) throw new Error("a plugin did not answer, although it is running");
    if (end.signal !== "SIGKILL") throw new Error(`a plugin ended by itself: ${JSON.stringify(end)}`);
    clearTimeout(killTimer);
    plugin.disconnect();
    if (number <= this.#buried) return;
    this.#buried = number;
    this.deaths += 1;
    await this.#options.onDeath();
  }

  #buried = 0;
}
