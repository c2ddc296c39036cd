/** The option of the black box. Pure. */

import { oneOf, type PartOptions } from "../options/fields.ts";

export const blackBoxOptions = {
  task: () => ({}),
  plugin: () => ({
    blackBox: oneOf(["auto", "on", "off"]).default("off").meta({
      description:
        "whether the cause of a failure has failed calls and senders of signals ([black box](#black-box)); `auto`: where the host allows it. [`run`](run.md) has `auto` by default",
      example: "on",
    }),
  }),
} satisfies PartOptions;
