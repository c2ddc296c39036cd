/** hashicorp.nomad.plugins.base.proto.BasePlugin: who the plugin is, and its configuration. */
import { version } from "../../version.ts";
import { topologyOf } from "../convert/topology.ts";
import type { DriverSlot } from "../driverSlot.ts";
import { type BasePluginServer, PluginType } from "../generated/nomad/base.ts";
import type { Handlers } from "../handlers.ts";
import { loadOptions } from "../loadOptions.ts";

/** The version of Nomad's plugin interface that drivers speak. */
const apiVersion = "v0.1.0";

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
      // Without it the agent only wants to know whether the options are valid.
      if (nomadConfig !== undefined) await slot.configure(options, topologyOf(nomadConfig));
      return {};
    }),
  };
}
