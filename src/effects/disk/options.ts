/** The options of what a task writes to its own folders and to its `/tmp`. Pure. */

import { formatMebibytes } from "../../units/sizes.ts";
import {
  limitWithin,
  mebibytesUpTo,
  oneOf,
  type PartOptions,
  type PluginValues,
  type TaskValues,
} from "../options/fields.ts";

export const diskOptions = {
  task: () => ({
    diskLimit: diskLimit().optional().meta({
      description: "maximum of what is in the task's folders `local` and `tmp` ([disk](#disk)) †",
      example: 300,
    }),
    tmpSize: mebibytesUpTo(1_048_576).optional().meta({
      description: "size of a [/tmp in memory](#tmp-in-memory); its contents count as the task's memory",
      example: "64MB",
    }),
  }),
  plugin: () => ({
    diskLimit: diskLimit().optional().meta({
      description:
        "maximum of what is in a task's folders `local` and `tmp` ([disk](#disk)); by default none †",
      example: 10_000,
    }),
    diskLimitMissing: oneOf(["refuse", "warn"]).default("refuse").meta({
      description:
        "for a task with `disk_limit` on a file system without project quotas: `refuse` the start; or start it without the limit, and `warn` by a task event",
      example: "warn",
    }),
  }),
} satisfies PartOptions;

interface Values {
  readonly task: TaskValues<typeof diskOptions>;
  readonly plugin: PluginValues<typeof diskOptions>;
}

/**
 * The task's limit, or the plugin's if the task has none.
 * @throws DriverError `CONFIG_INVALID`
 */
export function settleDisk(
  task: Values["task"],
  plugin: Values["plugin"],
): Pick<Values["task"], "diskLimit"> {
  const limit = limitWithin("diskLimit", task.diskLimit, plugin.diskLimit ?? Infinity, formatMebibytes);
  return limit === Infinity ? {} : { diskLimit: limit };
}

/** MiB, up to a PiB. */
const diskLimit = () => mebibytesUpTo(1_073_741_824);
