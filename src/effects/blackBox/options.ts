/** The option of the black box. Pure. */

import { oneOf, type PartOptions, type PluginValues } from "../options/fields.ts";

export const blackBoxOptions = {
  task: () => ({}),
  plugin: () => ({
    blackBox: oneOf(["on", "off"]).default("off").meta({
      description:
        "whether the cause of a failure has failed calls and senders of signals ([black box](#black-box))",
      example: "on",
    }),
  }),
} satisfies PartOptions;

export type BlackBoxMode = PluginValues<typeof blackBoxOptions>["blackBox"];
