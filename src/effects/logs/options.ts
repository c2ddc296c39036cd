/** The options of a task's log files. Pure. */

import { flag } from "../options/fields.ts";
import type { PartOptions } from "../options/partOptions.ts";

export const logsOptions = {
  task: () => ({}),
  plugin: () => ({
    writableLogs: flag().default(false).meta({
      description: "whether tasks may write to `alloc/logs` ([log files](#log-files))",
      example: true,
    }),
  }),
} satisfies PartOptions;
