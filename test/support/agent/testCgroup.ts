/** A cgroup for a test's tasks, as an agent makes one for each of its own. Needs root. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";

export class TestCgroup {
  readonly path: string;

  /** @param name of a folder below the mount, in one that is there */
  constructor(name: string) {
    const mount = findCgroup2Mount();
    if (mount === undefined) throw new Error("these tests need cgroup v2 to be mounted");
    this.path = `${mount}/${name}`;
    mkdirSync(this.path);
  }

  /** Pids of tasks and their children; an init ends a moment after it has told of its task's end. */
  processes(): number[] {
    const folders = this.#removed ? [] : [this.path, ...this.below()];
    const pids = folders.flatMap((folder) => readFileSync(`${folder}/cgroup.procs`, "utf8").split("\n"));
    const isTasks = (pid: number) => !["exec2-init", undefined].includes(nameOf(pid));
    return pids.filter(Boolean).map(Number).filter(isTasks);
  }

  /**
   * As agents do when a task is over: kills what is in it, and removes it, in one attempt.
   * @throws Error with the code EBUSY where something is left in it
   */
  removeAsAgent(): void {
    writeFileSync(`${this.path}/cgroup.kill`, "1");
    rmdirSync(this.path);
    this.#removed = true;
  }

  #removed = false;

  /** Those that runs in the host's pid namespace have made. */
  below(): string[] {
    if (this.#removed) return [];
    const entries = readdirSync(this.path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${this.path}/${name}`);
  }

  /** Whether nothing runs in it, no init either. */
  isEmpty(): boolean {
    return this.#removed || readFileSync(`${this.path}/cgroup.events`, "utf8").includes("populated 0");
  }

  /** Resolves once nothing runs in it any more. */
  async empty(): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (!this.isEmpty()) {
      if (performance.now() > deadline) {
        throw new Error(`still in ${this.path}: ${this.processes().join(", ")}`);
      }
      await delay(5);
    }
  }

  /** Resolves once a program of that name runs in it. */
  async runs(name: string): Promise<void> {
    const deadline = performance.now() + 20_000;
    while (!this.processes().some((pid) => nameOf(pid) === name)) {
      if (performance.now() > deadline) throw new Error(`${name} does not run in ${this.path}`);
      await delay(5);
    }
  }

  /** Kills what is in it, and removes it. */
  async remove(): Promise<void> {
    if (this.#removed) return;
    writeFileSync(`${this.path}/cgroup.kill`, "1");
    await this.empty();
    for (const folder of [...this.below(), this.path]) rmdirSync(folder);
  }
}

function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}
