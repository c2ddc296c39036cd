/**
 * Limits on what tasks write to their own folders: what all runs share of it. Nothing of it is loaded before the first
 * task needs it.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hasErrno, messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/hclog.ts";
import type {
  DiskLimit,
  DiskLimits,
  DiskUsage,
  LimitedTask,
  ProjectRange,
} from "../../effects/disk/diskLimits.ts";
import { replaceFile } from "../../store/folder/files.ts";

type Effects = typeof import("../../effects/disk/diskLimits.ts");

interface Tools {
  readonly limits: DiskLimits;
  readonly usageOf: Effects["usageOf"];
}

export class NodeDisk {
  readonly #log: Logger;
  readonly #stateDir: string;
  #tools: Promise<Tools> | undefined;
  /** What the file of folders has, once it was read. Only this process writes to it. */
  #folders: readonly string[] | undefined;
  /** Tasks of an earlier plugin, until the module is loaded. */
  readonly #earlier = new Map<string, DiskLimit>();

  /** @param stateDir the state folder: each plugin of a host has its own, and its own projects */
  constructor(log: Logger, stateDir: string) {
    this.#log = log;
    this.#stateDir = stateDir;
  }

  /** @throws DriverError `DISK_LIMIT_UNAVAILABLE` */
  async claim(task: LimitedTask, limitBytes: number): Promise<DiskLimit> {
    // Written first: what a plugin leaves that dies now is swept by the next one.
    this.#remember(dirname(task.allocDir));
    const { limits } = await this.#loaded();
    return await limits.claim(task, limitBytes);
  }

  /** Ends the run's claim. Its limits stay. Never rejects. */
  async release(task: LimitedTask, limit: DiskLimit): Promise<void> {
    try {
      const { limits } = await this.#loaded();
      limits.release(task, limit);
    } catch (thrown) {
      this.#warnOfLeft(thrown);
    }
  }

  /** Whether earlier tasks have had limits, so that {@link lift} may have something to do. */
  get hasLimited(): boolean {
    return this.#remembered().length > 0;
  }

  /** Takes off what earlier runs have left on the folders of a task without a limit. Never rejects. */
  async lift(task: LimitedTask): Promise<void> {
    try {
      const { limits } = await this.#loaded();
      limits.lift(task);
    } catch (thrown) {
      this.#log.warn("a task without disk_limit may have the limit of an earlier run", {
        task_id: task.taskId,
        error: messageOf(thrown),
      });
    }
  }

  /** What a task's limited folders use; undefined if it cannot be read. */
  async usage(allocDir: string, limit: DiskLimit): Promise<DiskUsage | undefined> {
    const { usageOf } = await this.#loaded();
    return usageOf(allocDir, limit);
  }

  /**
   * Knows the limits of an earlier plugin's tasks, and lets the file systems forget the projects of removed folders.
   * @param living the limits of the tasks that run, by their ids; undefined if not all of them are known
   */
  async recover(living: ReadonlyMap<string, DiskLimit> | undefined): Promise<void> {
    for (const [taskId, limit] of living ?? []) this.#earlier.set(taskId, limit);
    const folders = this.#remembered();
    if (folders.length === 0 || living === undefined) return;
    try {
      const { limits } = await this.#loaded();
      for (const folder of folders) limits.sweep(folder);
    } catch (thrown) {
      this.#warnOfLeft(thrown);
    }
  }

  #warnOfLeft(thrown: unknown): void {
    this.#log.warn("disk limits of removed folders are not given back yet", { error: messageOf(thrown) });
  }

  #loaded(): Promise<Tools> {
    this.#tools ??= this.#load();
    return this.#tools;
  }

  async #load(): Promise<Tools> {
    const { DiskLimits: Limits, usageOf } = await import("../../effects/disk/diskLimits.ts");
    const limits = new Limits(rangeOf(this.#stateDir));
    for (const [taskId, limit] of this.#earlier) limits.hold(taskId, limit);
    this.#earlier.clear();
    return { limits, usageOf };
  }

  /** Folders on the file systems on which a plugin with this state folder has limited tasks. */
  #remembered(): readonly string[] {
    this.#folders ??= linesOf(this.#file);
    return this.#folders;
  }

  #remember(folder: string): void {
    if (this.#remembered().includes(folder)) return;
    const folders = [...this.#remembered(), folder];
    replaceFile(this.#file, (unfinished) =>
      writeFileSync(unfinished, `${folders.join("\n")}\n`, { mode: 0o600 }),
    );
    this.#folders = folders;
  }

  get #file(): string {
    return join(this.#stateDir, "disk-limits");
  }
}

/** None if there is no such file. */
function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch (thrown) {
    if (!hasErrno(thrown, "ENOENT")) throw thrown;
    return [];
  }
}

/** Ids of projects that administrators do not use. */
const firstProject = 2 ** 30;
const projectsPerPlugin = 2 ** 14;

/** Several plugins of a host, each with its own state folder, must not take each other's limits off. */
function rangeOf(stateDir: string): ProjectRange {
  const slot = createHash("sha256").update(stateDir).digest().readUInt16LE(0);
  return { first: firstProject + slot * projectsPerPlugin, count: projectsPerPlugin };
}
