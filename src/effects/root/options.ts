/** The options of a task's root. Pure. */

import {
  absolutePath,
  flag,
  list,
  oneOf,
  type PartOptions,
  type PluginValues,
  refuseUnlessAllowed,
  type TaskValues,
  text,
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
    idmappedVolumes: list(text().min(1, "must not be empty"))
      .default([])
      .meta({
        description:
          "destinations of volumes whose files are to belong to the task's user in the task, and to the volume's owner on the host ([volumes of another user](#volumes-of-another-user)); needs the plugin's `allow_idmapped_volumes`",
        example: ["/srv/data"],
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
    allowIdmappedVolumes: flag().default(false).meta({
      description:
        "whether jobs may use `idmapped_volumes`: a task then reads, writes and makes files in such a volume as the user and the group to whom the volume's folder belongs ([volumes of another user](#volumes-of-another-user))",
      example: true,
    }),
    idmappedRootVolumes: list(absolutePath())
      .default([])
      .meta({
        description:
          "sources of volumes that may be idmapped although their folder belongs to root, or to root's group: each path, and all below it",
        example: ["/srv/volumes/web"],
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
  const { idmappedVolumes } = task;
  refuseUnlessAllowed("idmappedVolumes", idmappedVolumes.length > 0, "allowIdmappedVolumes", plugin);
}
