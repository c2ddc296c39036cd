/**
 * The driver behind the services, and the options' schemas. Each is loaded by the first call that needs it,
 * so the handshake does not wait for them. In the first two of an agent's three launches, no call needs the
 * driver.
 */

import { DriverError } from "../base/errors.ts";
import type { DriverPort } from "../driver/driverPort.ts";
import type { PluginOptions } from "../driver/options/pluginOptions.ts";
import { notConfigured } from "../driver/taskErrors.ts";
import type { NodeTopology } from "../effects/cgroup/nodeTopology.ts";

export type LoadDriver = () => Promise<DriverPort>;

export class DriverSlot {
  readonly #load: LoadDriver;
  #driver: Promise<DriverPort> | undefined;
  #options: PluginOptions | undefined;

  constructor(load: LoadDriver) {
    this.#load = load;
  }

  /** @throws DriverError `PLUGIN_FAILED` if the driver cannot be loaded on this host */
  get driver(): Promise<DriverPort> {
    this.#driver ??= this.#load().catch((thrown: unknown) => {
      throw DriverError.from(thrown, "PLUGIN_FAILED", "the driver cannot be loaded");
    });
    return this.#driver;
  }

  /**
   * The options that tasks are checked against.
   * @throws DriverError `PLUGIN_FAILED` before the first configuration
   */
  get options(): PluginOptions {
    if (this.#options !== undefined) return this.#options;
    throw notConfigured();
  }

  async configure(options: PluginOptions, topology: NodeTopology): Promise<void> {
    const driver = await this.driver;
    await driver.configure(options, topology);
    this.#options = options;
  }

  /** Notifies the driver if it is loaded. A driver that is not loaded has no tasks of an earlier agent. */
  async agentArrived(): Promise<void> {
    (await this.#driver)?.agentArrived();
  }

  /** Shuts the driver down if it is loaded. */
  async shutdown(): Promise<void> {
    await (await this.#driver)?.shutdown();
  }
}

/**
 * Loads the options' schemas. The promise is cached, because a dynamic import costs some 50 µs even if the
 * module is loaded.
 */
export function loadOptions(): Promise<typeof import("./options.ts")> {
  loading ??= import("./options.ts");
  return loading;
}

let loading: Promise<typeof import("./options.ts")> | undefined;
