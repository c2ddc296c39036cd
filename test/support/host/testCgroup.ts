/** A cgroup for a test's tasks, like the one that an agent creates for each task. Needs root. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { hasErrno } from "../../../src/base/errors.ts";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import { until } from "./until.ts";

export class TestCgroup {
  readonly path: string;

  /** @param name path below the mount; its parent exists */
  constructor(name: string) {
    const mount = findCgroup2Mount();
    if (mount === undefined) throw new Error("these tests need cgroup v2 to be mounted");
    this.path = `${mount}/${name}`;
    mkdirSync(this.path);
  }

  /**
   * Pids of tasks and their children, without inits, because an init ends a moment after it has reported its
   * task's end.
   */
  processes(): number[] {
    const folders = this.#removed ? [] : [this.path, ...this.below()];
    const pids = folders.flatMap((folder) => readFileSync(`${folder}/cgroup.procs`, "utf8").split("\n"));
    const isOfTask = (pid: number) => !["exec2-init", undefined].includes(nameOf(pid));
    return pids.filter(Boolean).map(Number).filter(isOfTask);
  }

  /**
   * Kills the cgroup's processes and removes the cgroup in one attempt, as agents do when a task is over.
   * @throws Error with the code EBUSY if a process is left in it
   */
  removeAsAgent(): void {
    writeFileSync(`${this.path}/cgroup.kill`, "1");
    rmdirSync(this.path);
    this.#removed = true;
  }

  #removed = false;

  /** The child cgroups, which runs in the host's pid namespace create. */
  below(): string[] {
    if (this.#removed) return [];
    const entries = readdirSync(this.path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${this.path}/${name}`);
  }

  /** Whether no process is in it, not even an init. */
  isEmpty(): boolean {
    return this.#removed || readFileSync(`${this.path}/cgroup.events`, "utf8").includes("populated 0");
  }

  freeze(): void {
    writeFileSync(`${this.path}/cgroup.freeze`, "1");
  }

  thaw(): void {
    writeFileSync(`${this.path}/cgroup.freeze`, "0");
  }

  /** Resolves once no process is left in it. */
  async empty(): Promise<void> {
    await until(
      () => this.isEmpty(),
      () => `${this.path} is empty, without ${this.processes().join(", ")}`,
    );
  }

  /** Resolves once a program with that name runs in it. */
  async runs(name: string): Promise<void> {
    await until(() => this.processes().some((pid) => nameOf(pid) === name), `${name} runs in ${this.path}`);
  }

  /** Kills the processes in it, and removes it. */
  async remove(): Promise<void> {
    if (this.#removed) return;
    // Before Linux 5.14 there is no such file, and the driver starts no task.
    if (existsSync(`${this.path}/cgroup.kill`)) writeFileSync(`${this.path}/cgroup.kill`, "1");
    await this.empty();
    // The plugin may remove the cgroup of a command at the same time.
    for (const folder of this.below()) removeUnlessGone(folder);
    rmdirSync(this.path);
  }
}

function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}

function removeUnlessGone(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (thrown) {
    if (!hasErrno(thrown, "ENOENT")) throw thrown;
  }
}
