/** The options of recorded denials. Pure. */

import { oneOf, type PartOptions, type PluginValues } from "../options/fields.ts";

export const denialsOptions = {
  task: () => ({}),
  plugin: () => ({
    denials: oneOf(["auto", "on", "off"]).default("auto").meta({
      description:
        "whether denials of the sandbox are recorded ([denials](#denials)). `auto`: if the host's audit is on. `on`: turns the host's audit on. `off`: turns it off again",
      example: "on",
    }),
  }),
} satisfies PartOptions;

export type DenialMode = PluginValues<typeof denialsOptions>["denials"];
