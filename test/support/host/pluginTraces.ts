/** What a plugin process holds, to tell whether a task leaves something behind in it. Needs root. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import type { Agent } from "../agent/agent.ts";

export interface PluginTraces {
  /** Number of open descriptors, but for that of inotify: Node opens one, for all watches, at the first. */
  readonly descriptors: number;
  /** Its children, zombies too. */
  readonly children: readonly number[];
  /** Names of the folders of runs. */
  readonly runFolders: readonly string[];
}

export function tracesOf({ pid, stateDir }: Pick<Agent, "pid" | "stateDir">): PluginTraces {
  const threads = readdirSync(`/proc/${pid}/task`);
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).filter((fd) => !isKept(`/proc/${pid}/fd/${fd}`)).length,
    children: threads.flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    ),
    runFolders: runFoldersIn(stateDir),
  };
}

/** Without those that the plugin keeps for later runs. */
export function runFoldersIn(stateDir: string): string[] {
  return readdirSync(stateFolderPaths(stateDir).run).filter((name) => !name.startsWith("spare-"));
}

/** Whether the plugin keeps it: for its watches, or as the template of a root, of which there are few. */
function isKept(descriptor: string): boolean {
  try {
    return /^(anon_inode:inotify|mnt:.*)$/.test(readlinkSync(descriptor));
  } catch {
    // It was closed meanwhile.
    return false;
  }
}
