/** The options of a task's root. Pure. */

import { z } from "zod";
import { DriverError } from "../../base/errors.ts";
import { type MountBlock, maxMountBlocks, mountBlockProblem } from "../layout/mountBlocks.ts";
import {
  absolutePath,
  addProblem,
  flag,
  list,
  mebibytesUpTo,
  mustBe,
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
    mount: mountBlocks()
      .default([])
      .meta({
        description:
          "a file or folder of the task's own at another path, or a folder in memory ([mounts](#files-where-programs-look))",
        example: [{ source: "local/app.conf", target: "/etc/app/app.conf" }],
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

function mountBlocks() {
  const block = z.record(z.string(), text(), mustBe("a block"));
  return z.array(block, mustBe("a block")).superRefine((blocks: readonly MountBlock[], context) => {
    if (blocks.length > maxMountBlocks) context.addIssue(`has more than ${maxMountBlocks} blocks`);
    for (const [index, each] of blocks.entries()) addProblem(context, mountBlockProblem(each), [index]);
  });
}

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
  if (task.mount.length > 0 && rootDir === undefined && (task.root ?? plugin.root) === "host")
    throw mountsInHostRoot('root is "host"');
  refuseUnlessAllowed("idmappedVolumes", idmappedVolumes.length > 0, "allowIdmappedVolumes", plugin);
}

/**
 * The error for `mount` blocks of a task that sees the host's tree, in which the driver makes no mount points.
 * @param why the task sees it
 */
export function mountsInHostRoot(why: string): DriverError {
  const summary = `The task's config has mount, but the task has no root of its own: ${why}`;
  return new DriverError("CONFIG_INVALID", summary, {
    option: "mount",
    hint: 'Leave out mount, or write root = "private" and unveil single paths',
  });
}

function contradiction(option: string, other: string): DriverError {
  const summary = `The task's config contradicts itself: it has ${option}, and ${other}`;
  return new DriverError("CONFIG_INVALID", summary, { option, hint: "Decide for one of the two" });
}
