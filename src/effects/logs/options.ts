/** The options of a task's log files. Pure. */

import { flag, type PartOptions } from "../options/fields.ts";

export const logsOptions = {
  task: () => ({}),
  plugin: () => ({
    writableLogs: flag().default(false).meta({
      description: "whether tasks may write to `alloc/logs` ([log files](#log-files))",
      example: true,
    }),
  }),
} satisfies PartOptions;
