/**
 * Steps that give a run its own mount namespace: a copy of the host's, or of a template that has only
 * unveiled paths. Before that, they open the mounts' sources in the host's namespace. Other mounts do not come
 * from the host: a run's own /proc, folders and file systems in its private root, and masks over entries of
 * /proc. Pure.
 */

import * as k from "../kernel/constants.ts";
import type { MemoryMount } from "../layout/mountBlocks.ts";
import { isAtOrBelow } from "../paths/paths.ts";
import { anyFolder, closeScratchStep } from "../plan/commonSteps.ts";
import { descriptors, type Flags, flags, type Hints, octal, type Step, shared } from "../plan/plan.ts";
import { CGROUP } from "../unveil/defaultPaths.ts";
import { PTS, TMP } from "../unveil/unveilRules.ts";
import type { HiddenPath, LaunchMount } from "./mountPoints.ts";
import type { LaunchRoot } from "./taskRoot.ts";
import {
  copyTreeSteps,
  keepTreeWithoutLinksSteps,
  mountNewWithoutLinksSteps,
  mountStep,
  mountWithoutLinksSteps,
  type Tree,
} from "./treeSteps.ts";

const { CLONE_NEWNS, CLONE_NEWCGROUP, O_CLOEXEC, O_PATH, MS_REC, MS_SLAVE, MS_PRIVATE } = k;
const { MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC } = k;
const { MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC } = k;

const PROC = "/proc";

/** What a run mounts. */
export interface LaunchMounts {
  readonly root: LaunchRoot;
  readonly binds: readonly Bind[];
  /** Folders in the task's own folders that become read-only. */
  readonly readOnlyFolders: readonly string[];
  /** Volumes, devices, and files and folders of the task's own. A mount inside another mount comes after that mount. */
  readonly mounts: readonly LaunchMount[];
  /** Folders in memory, which the task's root has, and which are in no other mount. */
  readonly inMemory?: readonly MemoryMount[];
  /** Paths that the task may reach only through {@link mounts}. */
  readonly hidden: readonly HiddenPath[];
  /** A folder, not a symlink to one, that the task sees as `/tmp`; undefined for the host's `/tmp`. */
  readonly privateTmp: string | undefined;
  /** Size of a `/tmp` in memory. */
  readonly tmpBytes?: number | undefined;
  /** A file that no Landlock rule allows. */
  readonly statusFile: string;
  /** Set if the run stays in this process's pid namespace. */
  readonly runCgroup: object | undefined;
}

/** A file or folder that the task sees at another path, with all mounts below it. */
export interface Bind {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export function mountSteps(input: LaunchMounts): Step[] {
  const mounts = mountsOf(input);
  return [
    // All sources are opened before the first mount, because a mount may hide the source of another mount.
    ...mounts.flatMap(openSteps),
    ...(hasCgroupMount(input.root) ? enterNamespaces : enterNamespace),
    ...(input.root.kind === "host" ? becomeSlaves : []),
    ...(input.runCgroup === undefined ? mountProc : []),
    ...(input.root.kind === "private" ? ownRootSteps(input.root) : []),
    ...(input.tmpBytes === undefined ? [] : tmpSteps(input.tmpBytes, input.mounts)),
    ...mounts.flatMap(mountedSteps),
    ...(input.inMemory ?? []).flatMap(memorySteps),
    ...(isMasked(input.root) ? protectProcSteps() : []),
    ...input.hidden
      .filter(({ isFolder }) => isFolder)
      .map(({ path }) => emptyFolderStep(`hide ${path}`, path)),
  ];
}

const tolerateErrors = { kind: "tolerateErrors" } as const;

// Made only once, because a start has many steps with these flags.
const slave = flags({ MS_SLAVE });
const nosuidNodev = flags({ MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV });
const readOnly = flags({ MOUNT_ATTR_RDONLY });
const readOnlyNosuidNodev = flags({ MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV });
const closeOnExec = flags({ O_CLOEXEC });
const mountNamespace = flags({ CLONE_NEWNS });
const nothing = flags({});
const plainFile = octal(k.S_IFREG | 0o644);

interface Mount extends Tree {
  /** The name of the mount's steps. */
  readonly name: string;
  readonly target: string;
  /** Set if the source's path had no symlink when it was looked up, and tasks may put one there. */
  readonly sourceWithoutLinks?: boolean;
  /** Whether the task may have put a symlink into the target's path. */
  readonly targetMayHaveLinks: boolean;
  /** Whether the target may be missing. */
  readonly optional?: boolean;
  /** Set if the plugin has opened the tree, and has set its attributes: a path in its `/proc`. */
  readonly opened?: string;
}

function isMasked(root: LaunchRoot): boolean {
  return root.kind === "private" && root.maskProc;
}

/** A run's mounts, in the order of mounting. */
function mountsOf(input: LaunchMounts): Mount[] {
  const { root, runCgroup, binds, readOnlyFolders, privateTmp, mounts, hidden, statusFile } = input;
  return [
    ...(root.kind === "private" && runCgroup !== undefined ? [hostProcMount] : []),
    ...(root.kind === "private" ? root.folders : []).map(hostFolderMount),
    ...binds.map(bindMount),
    // Read-only folders and the private /tmp come before the volumes, which may be below them.
    ...readOnlyFolders.map(readOnlyMount),
    ...(privateTmp === undefined ? [] : [privateTmpMount(privateTmp)]),
    ...mounts.map(jobMount),
    ...(isMasked(root) ? procMasks.files : []).map(procMaskMount),
    ...hidden.filter(({ isFolder }) => !isFolder).map(({ path }) => hiddenFileMount(path, statusFile)),
  ];
}

const common = { followSource: true, propagation: slave, targetMayHaveLinks: false } as const;

/** In the host's pid namespace a task gets the host's own /proc, which may be mounted with hidepid. */
const hostProcMount: Mount = {
  ...common,
  name: "mount /proc",
  source: PROC,
  target: PROC,
  attributes: flags({ MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC }),
};

function hostFolderMount(folder: string): Mount {
  return { ...common, name: `mount ${folder}`, source: folder, target: folder, attributes: nosuidNodev };
}

function bindMount({ source, target, readOnly: isReadOnly }: Bind): Mount {
  return { ...common, name: `mount ${target}`, source, target, attributes: isReadOnly ? readOnly : nothing };
}

/** The task owns the folder's parent, and may have put a symlink in the folder's place. */
function readOnlyMount(folder: string): Mount {
  return {
    ...common,
    name: `mount ${folder} read-only`,
    source: folder,
    target: folder,
    followSource: false,
    targetMayHaveLinks: true,
    attributes: readOnlyNosuidNodev,
  };
}

/** The task owns the source's parent, and may have put a symlink in the source's place. */
function privateTmpMount(source: string): Mount {
  return {
    ...common,
    name: "mount private /tmp",
    source,
    target: "/tmp",
    followSource: false,
    attributes: nosuidNodev,
  };
}

/** A volume, a device, or a file or folder of the task's own. */
function jobMount(mount: LaunchMount): Mount {
  const { kind, source, target, propagation, tree } = mount;
  return {
    ...common,
    ...(tree !== undefined && { opened: tree }),
    ...(kind === "mount" && { sourceWithoutLinks: true }),
    name: kind === "mount" ? `mount the task's own ${target}` : `mount the ${kind} ${target}`,
    source,
    target,
    targetMayHaveLinks: true,
    attributes: attributesOf(mount),
    propagation: propagation === "private" ? flags({ MS_PRIVATE }) : slave,
  };
}

function procMaskMount(file: string): Mount {
  return {
    ...common,
    name: `mask ${PROC}/${file}`,
    source: "/dev/null",
    target: `${PROC}/${file}`,
    optional: true,
    attributes: flags({ MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOEXEC }),
  };
}

/** Mounts the status file over the path, because no Landlock rule allows that file. */
function hiddenFileMount(path: string, statusFile: string): Mount {
  return {
    ...common,
    name: `hide ${path}`,
    source: statusFile,
    target: path,
    attributes: flags({ MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC }),
  };
}

function openSteps({ name, opened, sourceWithoutLinks, ...mount }: Mount, index: number): Step[] {
  const { scratch, trees } = descriptors;
  if (sourceWithoutLinks) return keepTreeWithoutLinksSteps(name, mount, scratch, trees + index);
  return [
    ...(opened === undefined ? copyTreeSteps(name, mount, scratch) : [openedTreeStep(name, opened)]),
    { name, call: "dup3", args: [scratch, trees + index, closeOnExec] },
    closeScratchStep(name),
  ];
}

/** The plugin cannot pass another descriptor, since each launch would have to. But init may open one of its own. */
function openedTreeStep(name: string, path: string): Step {
  return { name, call: "openat", args: [descriptors.hostProc, path, openTree, 0], hints: openedTreeHints };
}

const openTree = flags({ O_PATH, O_CLOEXEC });
const openedTreeHints: Hints = {
  EACCES: "An idmapped volume needs a plugin with CAP_SYS_PTRACE",
  EPERM: "An idmapped volume needs a plugin with CAP_SYS_PTRACE",
};

function mountedSteps({ name, target, targetMayHaveLinks, optional }: Mount, index: number): Step[] {
  const tree = descriptors.trees + index;
  return [
    ...(targetMayHaveLinks
      ? mountWithoutLinksSteps(name, tree, target, descriptors.scratch)
      : [{ ...mountStep(name, tree, target), ...(optional && { flow: tolerateErrors }) }]),
    { name, call: "close", args: [tree] },
  ];
}

/** A folder in memory, which belongs to everybody in the task, as /tmp does. */
function memorySteps({ target, bytes }: MemoryMount): Step[] {
  const how = flags({ MS_NOSUID, MS_NODEV });
  const options = `mode=1777,size=${bytes}`;
  const name = `mount the task's own ${target} in memory`;
  return mountNewWithoutLinksSteps(name, target, { type: "tmpfs", how, options }, descriptors.scratch);
}

/** Devices cannot be executed. Other mounts provide neither devices nor set-user-ID programs. */
export function attributesOf({ kind, readOnly }: LaunchMount): Flags {
  if (kind === "device") return flags({ MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOEXEC });
  return readOnly ? readOnlyNosuidNodev : nosuidNodev;
}

/** Name of the steps that enter a mount namespace, and copy it. */
const enterStep = "make a mount namespace";

/**
 * setns(2) also changes the root and the working directory. The template stays unchanged: unshare(2) makes a
 * copy.
 */
const enterNamespace = shared([
  { name: enterStep, call: "setns", args: [descriptors.mounts, mountNamespace] },
  { name: enterStep, call: "close", args: [descriptors.mounts] },
  { name: enterStep, call: "unshare", args: [mountNamespace] },
]);

/** Init is in the task's cgroup already, which becomes the root of the cgroup namespace: cgroup_namespaces(7). */
const enterNamespaces = shared([
  ...enterNamespace.slice(0, -1),
  {
    name: enterStep,
    call: "unshare",
    args: [flags({ CLONE_NEWNS, CLONE_NEWCGROUP })],
    hints: {
      ENOSPC:
        "The host allows no more namespaces: raise user.max_mnt_namespaces or user.max_cgroup_namespaces, or leave out cgroup_view",
    },
  },
]);

function hasCgroupMount(root: LaunchRoot): boolean {
  return root.kind === "private" && root.ownMounts.includes(CGROUP);
}

/** Later mounts of the host propagate to the task, but no mount of the task propagates to the host. */
const becomeSlaves = shared([
  {
    name: "make mounts slaves of the host's",
    call: "mount",
    args: ["none", "/", 0, flags({ MS_REC, MS_SLAVE }), 0],
  },
]);

const mountProc = shared([
  {
    name: "mount /proc",
    call: "mount",
    args: ["proc", PROC, "proc", flags({ MS_NOSUID, MS_NODEV, MS_NOEXEC }), 0],
  },
]);

/** Mounts in a task's root that are its own, not the host's. */
function ownRootSteps({ folders, parents, ownMounts, shmBytes }: LaunchRoot & { kind: "private" }): Step[] {
  return [
    ...clearUmask,
    ...parents.flatMap((parent) => {
      const name = `make ${parent}`;
      const inside = folders.filter((folder) => isAtOrBelow(folder, parent));
      return [
        mountNewStep(name, parent, "ramfs", { MS_NOSUID, MS_NODEV, MS_NOEXEC }, "mode=755"),
        ...foldersBelow(parent, inside).map(
          (folder): Step => ({ name, call: "mkdirat", args: [anyFolder, folder, octal(0o755)] }),
        ),
      ];
    }),
    ...ownMounts.map((path) => ownMountStep(path, shmBytes)),
  ];
}

function ownMountStep(path: string, shmBytes: number): Step {
  const name = `mount ${path}`;
  // A terminal belongs to whoever opens it, and nobody else may use it.
  if (path === PTS) return mountNewStep(name, path, "devpts", { MS_NOSUID, MS_NOEXEC }, ptsOptions);
  const how = { MS_NOSUID, MS_NODEV, MS_NOEXEC };
  // Shows the root of the cgroup namespace. The mount is the same file system as the host's, so it has no options.
  if (path === CGROUP) return mountNewStep(name, path, "cgroup2", { MS_RDONLY, ...how }, "");
  return mountNewStep(name, path, "tmpfs", how, `mode=1777,size=${shmBytes}`);
}

/** A `/tmp` in memory, with mount points for the volumes in it. */
function tmpSteps(bytes: number, mounts: LaunchMounts["mounts"]): Step[] {
  const name = "mount /tmp in memory";
  const inside = mounts.filter(({ target }) => isAtOrBelow(target, TMP));
  const outermost = inside.filter(({ target }, index) =>
    inside.slice(0, index).every((outer) => !isAtOrBelow(target, outer.target)),
  );
  const folders = outermost.map(({ target, isFolder }) =>
    isFolder ? target : target.slice(0, target.lastIndexOf("/")),
  );
  return [
    mountNewStep(name, TMP, "tmpfs", { MS_NOSUID, MS_NODEV }, `mode=1777,size=${bytes}`),
    ...(outermost.length === 0 ? [] : clearUmask),
    ...foldersBelow(TMP, folders).map(
      (folder): Step => ({ name, call: "mkdirat", args: [anyFolder, folder, octal(0o755)] }),
    ),
    ...outermost
      .filter(({ isFolder }) => !isFolder)
      .map(({ target }): Step => ({ name, call: "mknodat", args: [anyFolder, target, plainFile, 0] })),
  ];
}

/** Without this step, the agent's umask could remove bits from the modes. */
const clearUmask = shared([{ name: "clear the umask", call: "umask", args: [0] }]);

/** The folders, and the folders between them and the parent. The outermost come first. */
function foldersBelow(parent: string, folders: readonly string[]): string[] {
  const all = new Set<string>();
  for (const folder of folders) {
    for (let path = folder; path.length > parent.length; path = path.slice(0, path.lastIndexOf("/")))
      all.add(path);
  }
  return [...all].toSorted();
}

/**
 * Documentation/filesystems/devpts.rst: every mount has terminals of its own. The host has 4096 terminals for
 * all mounts together (`kernel.pty.max`), so each mount gets only a few of them.
 */
export const terminalOptions = { ptmxmode: "0666", mode: "0600", max: "64" } as const;

const ptsOptions = Object.entries(terminalOptions)
  .map(([name, value]) => `${name}=${value}`)
  .join(",");

function mountNewStep(
  name: string,
  target: string,
  type: string,
  how: Readonly<Record<string, number>>,
  options: string,
): Step {
  return { name, call: "mount", args: [type, target, type, flags(how), options] };
}

/** Entries of /proc that describe the host or can change it. */
const procMasks = {
  files: ["kcore", "keys", "key-users", "timer_list", "sched_debug", "latency_stats", "kmsg", "interrupts"],
  folders: ["acpi", "scsi", "asound"],
  readOnly: ["sys", "sysrq-trigger", "irq", "bus", "fs"],
} as const;

const readOnlyTree = { followSource: true, attributes: flags({ MOUNT_ATTR_RDONLY }), propagation: flags({}) };

/** Hides the folders of /proc that describe the host, and write-protects the entries that can change it. */
function protectProcSteps(): Step[] {
  const { scratch } = descriptors;
  const steps = [
    ...procMasks.folders.map((folder) => emptyFolderStep(`mask ${PROC}/${folder}`, `${PROC}/${folder}`)),
    ...procMasks.readOnly.flatMap((entry) => {
      const source = `${PROC}/${entry}`;
      const name = `protect ${source}`;
      return [
        ...copyTreeSteps(name, { source, ...readOnlyTree }, scratch),
        mountStep(name, scratch, source),
        closeScratchStep(name),
      ];
    }),
  ];
  return steps.map((step) => ({ ...step, flow: { kind: "tolerateErrors" } }));
}

/** Mounts an empty folder, which nobody may enter, over a path. */
function emptyFolderStep(name: string, path: string): Step {
  const how = flags({ MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC });
  return { name, call: "mount", args: ["none", path, "tmpfs", how, "mode=0"] };
}
