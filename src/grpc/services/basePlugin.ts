/** hashicorp.nomad.plugins.base.proto.BasePlugin: who the plugin is, and its configuration. */
import type { PluginOptions } from "../../config/options/pluginOptions.ts";
import { version } from "../../version.ts";
import { topologyOf } from "../convert/topology.ts";
import type { DriverSlot } from "../driverSlot.ts";
import { type BasePluginServer, PluginType } from "../generated/nomad/base.ts";
import type { Handlers } from "../handlers.ts";
import { loadOptions } from "../loadOptions.ts";

/** The version of Nomad's plugin interface that drivers speak. */
const apiVersion = "v0.1.0";

/**
 * For an agent that only wants to know whether the options are valid. It does not start where they are not,
 * so that its operator reads why: later, a folder that cannot be used makes the driver unhealthy and no more.
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
