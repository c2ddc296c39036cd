/** Counts what a plugin and its tasks use on the host, to find what tasks leave behind. Needs root. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { loggersIn } from "../support/agent/loggers.ts";
import { runFoldersIn } from "../support/plugin/pluginTraces.ts";

export interface Footprint {
  /** Open descriptors by kind: a pipe, a socket, the name of a file. */
  readonly descriptors: Readonly<Record<string, number>>;
  /** Watches of inotify. */
  readonly watches: number;
  readonly threads: number;
  /** Children of the plugin, zombies too. */
  readonly children: number;
  /** Processes of tasks, inits among them. */
  readonly processes: number;
  /** Processes that write tasks' log files for the driver. */
  readonly loggers: number;
  /** Cgroups below those of the tasks. */
  readonly cgroups: number;
  /** Folders of runs, with their FIFOs. */
  readonly runFolders: number;
  /** Mounts of the host that involve the tasks' folders. */
  readonly mounts: number;
}

export interface Place {
  readonly stateDir: string;
  /** The tasks' cgroups. */
  readonly cgroups: readonly string[];
  readonly ownFolders: readonly string[];
  /** The tasks' log folders. */
  readonly logFolders: readonly string[];
}

/** @param pid the plugin's */
export function footprintOf(pid: number, { stateDir, cgroups, ownFolders, logFolders }: Place): Footprint {
  const descriptors: Record<string, number> = {};
  let watches = 0;
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
    const kind = kindOf(linkOf(`/proc/${pid}/fd/${descriptor}`));
    if (kind === "anon_inode:inotify") {
      const own = countOf(/^inotify wd:/gm, `/proc/${pid}/fdinfo/${descriptor}`);
      watches += own;
      // Node opens its own with the first file that it watches, such as that of a cgroup whose processes are not
      // gone yet, and keeps it.
      if (own === 0) continue;
    }
    if (kind !== undefined) descriptors[kind] = (descriptors[kind] ?? 0) + 1;
  }
  const threads = readdirSync(`/proc/${pid}/task`);
  const below = cgroups.flatMap((cgroup) => foldersIn(cgroup).map((name) => `${cgroup}/${name}`));
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n");
  return {
    descriptors,
    watches,
    threads: threads.length,
    children: threads.reduce((sum, id) => sum + countOf(/\d+/g, `/proc/${pid}/task/${id}/children`), 0),
    processes: [...cgroups, ...below].reduce(
      (sum, cgroup) => sum + countOf(/\d+/g, `${cgroup}/cgroup.procs`),
      0,
    ),
    loggers: logFolders.reduce((sum, folder) => sum + loggersIn(folder).length, 0),
    cgroups: below.length,
    runFolders: runFoldersIn(stateDir).length,
    mounts: mounts.filter((line) => ownFolders.some((folder) => line.includes(folder))).length,
  };
}

/** KiB of the plugin's own memory. Mapped files do not count, because the event log grows. */
export function memoryOf(pid: number): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/**
 * A descriptor's link without numbers, which differ for each pipe, socket and file of a task. Undefined for
 * the template of a root, because the plugin keeps some templates for later tasks.
 */
function kindOf(link: string | undefined): string | undefined {
  return link?.startsWith("mnt:") ? undefined : link?.replace(/\d+/g, "N");
}

function countOf(what: RegExp, path: string): number {
  try {
    return readFileSync(path, "utf8").match(what)?.length ?? 0;
  } catch {
    // The process or cgroup has just disappeared.
    return 0;
  }
}

function foldersIn(path: string): string[] {
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
