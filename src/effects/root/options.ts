/** The options of a task's root. Pure. */

import {
  flag,
  oneOf,
  type PartOptions,
  type PluginValues,
  refuseUnlessAllowed,
  type TaskValues,
  wholeNumber,
} from "../options/fields.ts";

export const rootOptions = {
  task: () => ({
    root: oneOf(["private", "host"]).optional().meta({
      description:
        "what the task sees at `/` ([root](#root)); by default the plugin's `root`. `host` needs the plugin's `allow_host_root`",
      example: "host",
    }),
    shmSize: wholeNumber()
      .refine((size) => size >= 1 && size <= 1_048_576, "must be from 1 to 1048576")
      .default(64)
      .meta({
        description: "size of `/dev/shm` in MiB; its contents count as the task's memory",
        example: 256,
      }),
  }),
  plugin: () => ({
    root: oneOf(["private", "host"]).default("private").meta({
      description: "what tasks see at `/`: only unveiled paths, or the host's tree ([root](#root))",
      example: "host",
    }),
    allowHostRoot: flag().default(false).meta({
      description: 'whether jobs may use `root = "host"`',
      example: true,
    }),
  }),
} satisfies PartOptions;

interface Values {
  readonly task: TaskValues<typeof rootOptions>;
  readonly plugin: PluginValues<typeof rootOptions>;
}

/** @throws DriverError `CONFIG_INVALID` */
export function settleRoot(task: Values["task"], plugin: Values["plugin"]): void {
  refuseUnlessAllowed("root", task.root === "host" && plugin.root !== "host", "allowHostRoot", plugin);
}
