/** The options of recorded denials. Pure. */

import { oneOf, type PartOptions, type PluginValues } from "../options/fields.ts";

export const denialsOptions = {
  task: () => ({}),
  plugin: () => ({
    denials: oneOf(["auto", "on", "off"]).default("auto").meta({
      description:
        "whether [denials](#denials) of the sandbox are recorded: if the host's audit is on, by turning it on, or not",
      example: "on",
    }),
  }),
} satisfies PartOptions;

export type DenialMode = PluginValues<typeof denialsOptions>["denials"];
