/** hashicorp.nomad.plugins.base.proto.BasePlugin: the plugin's identity and configuration. */

import { version } from "../../base/version.ts";
import type { PluginOptions } from "../../driver/options/pluginOptions.ts";
import { topologyOf } from "../convert/requests.ts";
import { type DriverSlot, loadOptions } from "../driverSlot.ts";
import { type BasePluginServer, PluginType } from "../generated/nomad/base.ts";
import type { Handlers } from "../handlers.ts";

/** Version of Nomad's interface for driver plugins. */
const apiVersion = "v0.1.0";

/**
 * Checks the state folder for an agent that validates the options. With invalid options the agent does not
 * start, so its operator sees the error. Later, a folder that cannot be used only makes the driver unhealthy.
 */
async function validate({ stateDir }: PluginOptions): Promise<void> {
  const { checkStateFolder } = await import("../../store/folder/stateFolder.ts");
  checkStateFolder(stateDir);
}

export function basePluginService({ unary }: Handlers, slot: DriverSlot): BasePluginServer {
  return {
    pluginInfo: unary(() => ({
      type: PluginType.DRIVER,
      pluginApiVersions: [apiVersion],
      pluginVersion: version,
      name: "exec2",
    })),

    configSchema: unary(async () => ({ spec: (await loadOptions()).pluginSpec })),

    setConfig: unary(async ({ msgpackConfig, nomadConfig }) => {
      const { readPluginOptions } = await loadOptions();
      const options = readPluginOptions(msgpackConfig);
      if (nomadConfig === undefined) await validate(options);
      else await slot.configure(options, topologyOf(nomadConfig));
      return {};
    }),
  };
}
