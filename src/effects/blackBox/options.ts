/** The option of the black box. Pure. */

import { oneOf, type PartOptions, type PluginValues } from "../options/fields.ts";

export const blackBoxOptions = {
  task: () => ({}),
  plugin: () => ({
    blackBox: oneOf(["on", "off"]).default("off").meta({
      description:
        "whether the kernel notes what each task's calls fail with, and who sends it signals, so that the cause of a failure has them ([black box](#black-box))",
      example: "on",
    }),
  }),
} satisfies PartOptions;

export type BlackBoxMode = PluginValues<typeof blackBoxOptions>["blackBox"];
