/**
 * Runs the plugin as an agent does: this program itself, launched as a child. When the plugin dies, the
 * session launches it again, and the new process recovers every task.
 */
import { once } from "node:events";
import type { Metadata } from "@grpc/grpc-js";
import { DriverError } from "../../base/errors.ts";
import type { NodeTopology } from "../../effects/cgroup/nodeTopology.ts";
import { type ClientTopologyCore, CoreGrade } from "../../grpc/generated/nomad/base.ts";
import { DriverCapabilities, type DriverTaskEvent } from "../../grpc/generated/nomad/driver.ts";
import { selfCommand } from "../../grpc/lifeline.ts";
import { encodeMsgpack } from "../../grpc/options.ts";
import { exitText, type LaunchedPlugin, launchPlugin, type PluginExit } from "../../grpc/pluginClient.ts";
import { carriedError, errorOfCall } from "../../grpc/status.ts";
import { pluginOf } from "../../store/folder/pluginAddress.ts";
import { attributeSpecs, fitPluginOptions } from "../files/pluginConfig.ts";
import type { AttributeSpec } from "../jobspec/resolve/driverConfig.ts";

export interface PluginSessionOptions {
  /** Options of the plugin's config block, without `state_dir`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly topology: NodeTopology;
  readonly stateFolder: StateFolderChoice;
  /** The work folder of the run. If this process dies, the plugin starts a process to remove the folder. */
  readonly work?: string;
  readonly onLogLine?: (line: string) => void;
  /** Gets the events that `nomad alloc status` would show for a task. */
  readonly onTaskEvent?: (event: DriverTaskEvent) => void;
  /** Interrupts a start by killing the plugin, because a plugin that is starting may not answer. */
  readonly interrupt?: AbortSignal;
  /** Called when the plugin has died, before it is launched again. */
  readonly onRestart?: (exit: PluginExit) => void;
}

/** The state folders that a plugin may use, tried one after another. */
export interface StateFolderChoice {
  readonly path: string;
  /** Advances to the next folder; false if there are no more. */
  next(): boolean;
}

/** What a client queries from a driver before it starts or recovers a task. */
export interface DriverFacts {
  /** Attributes of a task's `config` block. */
  readonly taskSchema: readonly AttributeSpec[];
  readonly capabilities: DriverCapabilities;
}

/** Number of restarts before the session gives up. */
const restartLimit = 5;

export class PluginSession {
  readonly #options: PluginSessionOptions;
  #plugin: LaunchedPlugin;
  #restarts = 0;
  #restarting: Promise<LaunchedPlugin> | undefined;
  #closing = false;

  private constructor(options: PluginSessionOptions, plugin: LaunchedPlugin) {
    this.#options = options;
    this.#plugin = plugin;
  }

  /** @throws DriverError if the plugin does not start, or refuses its options */
  static async start(options: PluginSessionOptions): Promise<PluginSession> {
    const starting = new AbortController();
    const interrupt = () => starting.abort();
    options.interrupt?.addEventListener("abort", interrupt);
    try {
      const plugin = await launch(options, starting.signal);
      try {
        await configure(plugin, options);
        return new PluginSession(options, plugin);
      } catch (thrown) {
        await plugin.close();
        throw thrown;
      }
    } finally {
      options.interrupt?.removeEventListener("abort", interrupt);
    }
  }

  /** The current plugin process. */
  get plugin(): LaunchedPlugin {
    return this.#plugin;
  }

  /** Queries the driver, as a client does for each task. */
  async driverFacts(): Promise<DriverFacts> {
    const { driver } = this.#plugin;
    const { spec } = await answered(driver.taskConfigSchema({}));
    const { capabilities } = await answered(driver.capabilities({}));
    return {
      taskSchema: attributeSpecs(spec),
      capabilities: capabilities ?? DriverCapabilities.decode(new Uint8Array()),
    };
  }

  /**
   * The plugin that replaces a dead one. All callers get the same replacement.
   * @param dead the plugin whose call failed
   * @throws DriverError `PLUGIN_FAILED` if the session has given up or is closing
   */
  async replacementOf(dead: LaunchedPlugin): Promise<LaunchedPlugin> {
    if (this.#plugin !== dead) return this.#plugin;
    this.#restarting ??= this.#restart(dead).finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  /** Ends the plugin. Running tasks keep running. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#restarting?.catch(() => undefined);
    await this.#plugin.close();
  }

  async #restart(dead: LaunchedPlugin): Promise<LaunchedPlugin> {
    const exit = await dead.exited;
    dead.disconnect();
    this.#restarts++;
    if (this.#closing || this.#restarts > restartLimit) {
      throw new DriverError("PLUGIN_FAILED", `the plugin ended (${exitText(exit)})`);
    }
    this.#options.onRestart?.(exit);
    const plugin = await launch(this.#options);
    await configure(plugin, this.#options);
    this.#plugin = plugin;
    return plugin;
  }
}

/** Returns the answer to a call, or throws the plugin's own error. */
export async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (thrown) {
    throw errorOfCall(thrown as Parameters<typeof errorOfCall>[0]);
  }
}

/** @param kill when this signal is aborted, the plugin is killed */
async function launch(
  { onLogLine, work }: PluginSessionOptions,
  kill?: AbortSignal,
): Promise<LaunchedPlugin> {
  const options = { ...(onLogLine && { onLogLine }), ...(kill && { kill }) };
  return launchPlugin({ ...selfCommand(), lifeline: { work }, ...options });
}

/** Tries one state folder after another until the plugin gets an unused one. */
async function configure(plugin: LaunchedPlugin, options: PluginSessionOptions): Promise<void> {
  const { config, topology, stateFolder } = options;
  const { spec } = await answered(plugin.base.configSchema({}));
  for (;;) {
    // Folders in use are skipped first, since the plugin would log an error for each.
    while (pluginOf(stateFolder.path) !== undefined && stateFolder.next());
    const pluginConfig = { ...config, state_dir: stateFolder.path };
    const request = {
      msgpackConfig: encodeMsgpack(fitPluginOptions(pluginConfig, attributeSpecs(spec))),
      nomadConfig: { driver: { ClientMinPort: 0, ClientMaxPort: 0, Topology: topologyMessage(topology) } },
      pluginApiVersion: "v0.1.0",
    };
    try {
      await answered(plugin.base.setConfig(request));
      await answered(plugin.driver.init({}));
      await requireHealth(plugin);
      followTaskEvents(plugin, options);
      return;
    } catch (thrown) {
      const inUse = thrown instanceof DriverError && thrown.code === "STATE_DIR_IN_USE";
      if (!inUse || !stateFolder.next()) throw thrown;
    }
  }
}

/**
 * Checks that the driver can work at all. A feature that the host lacks is no error here, because tasks that
 * need the feature fail with a more precise error.
 * @throws DriverError that the fingerprint carries, if the driver cannot work at all
 */
async function requireHealth({ driver }: LaunchedPlugin): Promise<void> {
  const fingerprints = driver.fingerprint({});
  fingerprints.on("error", () => undefined);
  const [headers] = (await once(fingerprints, "metadata")) as [Metadata];
  fingerprints.cancel();
  const trouble = carriedError(headers);
  if (trouble !== undefined) throw trouble;
}

/** Follows the events of a plugin until the plugin ends. Later events come from its replacement. */
function followTaskEvents({ driver }: LaunchedPlugin, { onTaskEvent }: PluginSessionOptions): void {
  driver
    .taskEvents({})
    .on("data", (event: DriverTaskEvent) => onTaskEvent?.(event))
    .on("error", () => undefined);
}

/** The node as an agent tells it with the configuration. */
export function topologyMessage({ cores, overrideTotalMhz }: NodeTopology) {
  return {
    nodeIds: [0],
    distances: undefined,
    cores: cores.map(
      ({ coreId, baseMhz, maxMhz, guessMhz, disabled }): ClientTopologyCore => ({
        socketId: 0,
        nodeId: 0,
        coreId,
        coreGrade: CoreGrade.Performance,
        disable: disabled,
        baseSpeed: baseMhz,
        maxSpeed: maxMhz,
        guessSpeed: guessMhz,
      }),
    ),
    overrideTotalCompute: overrideTotalMhz,
    overrideWitholdCompute: 0,
  };
}
