/**
 * Steps for mounts that do not come from the host: a run's own /proc, folders and file systems in its private
 * root, and masks over entries of /proc. Pure.
 */

import * as k from "../kernel/constants.ts";
import { isAtOrBelow } from "../paths/paths.ts";
import { anyFolder, closeScratchStep } from "../plan/commonSteps.ts";
import { descriptors, flags, octal, type Step, shared } from "../plan/plan.ts";
import type { LaunchRoot } from "./taskRoot.ts";
import { copyTreeSteps, mountStep } from "./treeSteps.ts";

const { MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MOUNT_ATTR_RDONLY } = k;

export const PROC = "/proc";

export const mountProc = shared([
  {
    name: "mount /proc",
    call: "mount",
    args: ["proc", PROC, "proc", flags({ MS_NOSUID, MS_NODEV, MS_NOEXEC }), 0],
  },
]);

/** Mounts in a task's root that are its own, not the host's. */
export function ownRootSteps({
  folders,
  parents,
  ownDevices,
  shmBytes,
}: LaunchRoot & { kind: "private" }): Step[] {
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
    ...ownDevices.map((path) =>
      path === "/dev/pts"
        ? // A terminal belongs to whoever opens it, and nobody else may use it.
          mountNewStep("mount /dev/pts", path, "devpts", { MS_NOSUID, MS_NOEXEC }, ptsOptions)
        : mountNewStep(
            `mount ${path}`,
            path,
            "tmpfs",
            { MS_NOSUID, MS_NODEV, MS_NOEXEC },
            `mode=1777,size=${shmBytes}`,
          ),
    ),
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
export const procMasks = {
  files: ["kcore", "keys", "key-users", "timer_list", "sched_debug", "latency_stats", "kmsg", "interrupts"],
  folders: ["acpi", "scsi", "asound"],
  readOnly: ["sys", "sysrq-trigger", "irq", "bus", "fs"],
} as const;

const readOnly = { followSource: true, attributes: flags({ MOUNT_ATTR_RDONLY }), propagation: flags({}) };

/** Hides the folders of /proc that describe the host, and write-protects the entries that can change it. */
export function protectProcSteps(): Step[] {
  const { scratch } = descriptors;
  const steps = [
    ...procMasks.folders.map((folder) => emptyFolderStep(`mask ${PROC}/${folder}`, `${PROC}/${folder}`)),
    ...procMasks.readOnly.flatMap((entry) => {
      const source = `${PROC}/${entry}`;
      const name = `protect ${source}`;
      return [
        ...copyTreeSteps(name, { source, ...readOnly }, scratch),
        mountStep(name, scratch, source),
        closeScratchStep(name),
      ];
    }),
  ];
  return steps.map((step) => ({ ...step, flow: { kind: "tolerateErrors" } }));
}

/** Mounts an empty folder, which nobody may enter, over a path. */
export function emptyFolderStep(name: string, path: string): Step {
  const how = flags({ MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC });
  return { name, call: "mount", args: ["none", path, "tmpfs", how, "mode=0"] };
}
