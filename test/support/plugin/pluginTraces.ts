/** Lists descriptors, children and run folders of a plugin, to detect what tasks leave. Needs root. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";

export interface PluginTraces {
  /** Number of open descriptors, without those that the plugin keeps: see {@link isKept}. */
  readonly descriptors: number;
  /** The plugin's children, including zombies. */
  readonly children: readonly number[];
  /** Names of run folders. */
  readonly runFolders: readonly string[];
}

export function tracesOf({
  pid,
  stateDir,
}: {
  readonly pid: number;
  readonly stateDir: string;
}): PluginTraces {
  const threads = readdirSync(`/proc/${pid}/task`);
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).filter((fd) => !isKept(`/proc/${pid}/fd/${fd}`)).length,
    children: threads.flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    ),
    runFolders: runFoldersIn(stateDir),
  };
}

/** What a plugin has that it had not before. What it only had then, such as of the run before, is no matter. */
export function leftSince(before: PluginTraces, plugin: Parameters<typeof tracesOf>[0]): PluginTraces {
  const now = tracesOf(plugin);
  return {
    descriptors: Math.max(0, now.descriptors - before.descriptors),
    children: now.children.filter((pid) => !before.children.includes(pid)),
    runFolders: now.runFolders.filter((name) => !before.runFolders.includes(name)),
  };
}

export const nothingLeft: PluginTraces = { descriptors: 0, children: [], runFolders: [] };

/** Folders of runs, without those that the plugin keeps for later runs, or rehearses with. */
export function runFoldersIn(stateDir: string): string[] {
  return readdirSync(stateFolderPaths(stateDir).run).filter((name) => !/^(spare-|rehears)/.test(name));
}

/**
 * Whether the plugin keeps this descriptor open: for inotify, whose descriptor Node opens once at the first
 * watch, or as one of the few templates of roots.
 */
function isKept(descriptor: string): boolean {
  try {
    return /^(anon_inode:inotify|mnt:.*)$/.test(readlinkSync(descriptor));
  } catch {
    // It was closed meanwhile.
    return false;
  }
}
