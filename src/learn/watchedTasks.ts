/** Watches the tasks of one run: their accesses, and their peak use of resources. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type TaskFolders, taskFolders } from "../effects/layout/layout.ts";
import type { Access } from "../effects/observe/access.ts";
import type { Task } from "../localAgent/jobspec/job.ts";
import type { TaskObserver } from "../localAgent/task/localRun.ts";
import type { PreparedTask } from "../localAgent/task/prepareTask.ts";
import type { Observer } from "./observe/observer.ts";

/** One instance of a task. */
export interface WatchedTask {
  readonly task: Task;
  readonly group: string;
  /** The folders as the task sees them. */
  readonly folders: TaskFolders;
  /** Folder of its allocation on the host. */
  readonly allocation: string;
  /** Names that differ from run to run: the names of the allocation and of the user. */
  readonly names: readonly string[];
  /** Ports of the allocation, each with the environment variable that holds it. */
  readonly portNames: ReadonlyMap<number, string>;
  /** Targets and access of its volumes. */
  readonly mounts: readonly { readonly path: string; readonly readOnly: boolean }[];
  readonly accesses: () => readonly Access[];
  /** The peaks. A peak is undefined as long as the task runs, and if the host's cgroups do not count it. */
  readonly peaks: () => Peaks;
}

export interface Peaks {
  readonly memoryBytes: number | undefined;
  readonly processes: number | undefined;
}

export class WatchedTasks implements TaskObserver {
  readonly #observer: Observer | undefined;
  readonly #tasks = new Map<string, WatchedTask>();
  readonly #peaks = new Map<string, Peaks>();

  /** @param observer undefined if accesses are not to be recorded */
  constructor(observer: Observer | undefined) {
    this.#observer = observer;
  }

  get tasks(): readonly WatchedTask[] {
    return [...this.#tasks.values()];
  }

  prepared({ task, scope, message }: PreparedTask): void {
    const cgroup = scope.path;
    this.#observer?.watch(cgroup);
    const folders = taskFolders(Object.fromEntries(message.env));
    this.#tasks.set(cgroup, {
      task,
      group: message.taskGroupName,
      folders,
      allocation: message.allocDir,
      names: [
        message.allocDir,
        message.allocId,
        message.user,
        ...(/\d{4,}$/.exec(message.user) ?? []),
      ].filter((name) => name !== ""),
      portNames: new Map(
        [...message.env].flatMap(([name, value]) =>
          name.startsWith("NOMAD_PORT_") ? [[Number(value), name] as const] : [],
        ),
      ),
      mounts: message.mounts.map(({ taskPath, readonly }) => ({
        path: resolve(folders.rootDir, taskPath),
        readOnly: readonly,
      })),
      accesses: () => this.#observer?.read(cgroup) ?? [],
      peaks: () => this.#peaks.get(cgroup) ?? { memoryBytes: undefined, processes: undefined },
    });
  }

  ended({ scope: { path: cgroup } }: PreparedTask): void {
    this.#peaks.set(cgroup, {
      memoryBytes: peakOf(cgroup, "memory.peak"),
      processes: peakOf(cgroup, "pids.peak"),
    });
  }
}

/**
 * The peak in a file of the cgroup. Undefined if the controller is missing, or if the kernel is too old to
 * have the file.
 */
function peakOf(cgroup: string, file: string): number | undefined {
  try {
    return Number(readFileSync(join(cgroup, file), "utf8"));
  } catch {
    return undefined;
  }
}
