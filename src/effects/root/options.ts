/** The options of a task's root. Pure. */

import { DriverError } from "../../base/errors.ts";
import {
  absolutePath,
  flag,
  list,
  mebibytesUpTo,
  oneOf,
  type PartOptions,
  type PluginValues,
  refuseUnlessAllowed,
  type TaskValues,
  text,
} from "../options/fields.ts";

export const rootOptions = {
  task: () => ({
    root: oneOf(["private", "host"]).optional().meta({
      description:
        "what the task sees at `/` ([root](#root)); by default the plugin's `root`. `host` needs the plugin's `allow_host_root`",
      example: "host",
    }),
    shmSize: mebibytesUpTo(1_048_576).default(64).meta({
      description: "size of `/dev/shm`; its contents count as the task's memory",
      example: "256MB",
    }),
    rootDir: text().min(1, "must not be empty").optional().meta({
      description:
        "a folder of the task with a root file system, which it sees at `/` ([a root from a folder](#a-root-from-a-folder)); needs the plugin's `allow_root_dir`",
      example: "local/rootfs",
    }),
    rootDirWritable: flag().default(false).meta({
      description: "whether the task may change the files of `root_dir`, in memory",
      example: true,
    }),
    idmappedVolumes: list(text().min(1, "must not be empty"))
      .default([])
      .meta({
        description:
          "destinations of [volumes of another user](#volumes-of-another-user), whose files belong to the task's user in the task; needs the plugin's `allow_idmapped_volumes`",
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
    allowRootDir: flag().default(false).meta({
      description: "whether jobs may use `root_dir` ([a root from a folder](#a-root-from-a-folder))",
      example: true,
    }),
    allowIdmappedVolumes: flag().default(false).meta({
      description:
        "whether jobs may use `idmapped_volumes`, in which a task acts as the owner of the volume's folder ([volumes of another user](#volumes-of-another-user))",
      example: true,
    }),
    idmappedRootVolumes: list(absolutePath())
      .default([])
      .meta({
        description:
          "sources of volumes, with all below them, that may be idmapped although they belong to root or its group",
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
  const { rootDir, rootDirWritable, idmappedVolumes } = task;
  refuseUnlessAllowed("rootDir", rootDir !== undefined, "allowRootDir", plugin);
  if (rootDir === undefined && rootDirWritable) throw contradiction("root_dir_writable", "no root_dir");
  if (rootDir !== undefined && task.root === "host") throw contradiction("root_dir", 'root = "host"');
  refuseUnlessAllowed("idmappedVolumes", idmappedVolumes.length > 0, "allowIdmappedVolumes", plugin);
}

function contradiction(option: string, other: string): DriverError {
  const summary = `The task's config contradicts itself: it has ${option}, and ${other}`;
  return new DriverError("CONFIG_INVALID", summary, { option, hint: "Decide for one of the two" });
}
