/** A hand-made run: what a launch needs, without the rest of the driver. Needs root. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ExitStatus, readExitStatus, watchExit } from "../../src/effects/exitWatch.ts";
import { landlockAddRule, landlockCreateRuleset, mkfifo, openPath } from "../../src/effects/kernel/libc.ts";
import { buildLaunchPlan } from "../../src/effects/launch/buildPlan.ts";
import { type Launched, launch } from "../../src/effects/launch/launcher.ts";
import type { LaunchInput } from "../../src/effects/launch/launchInput.ts";

/** A uid that no account of the host has. */
export const taskUid = 84242;

/** Access rights of `linux/landlock.h`, ABI 1. */
export const landlockAccess = {
  execute: 1 << 0,
  writeFile: 1 << 1,
  readFile: 1 << 2,
  readDir: 1 << 3,
} as const;

/** An input that is complete, for a command that does nothing. */
export function launchInput(overrides: Partial<LaunchInput> = {}): LaunchInput {
  return {
    initName: "exec2-init: 01234567/test",
    cgroup: undefined,
    network: { kind: "host" },
    binds: [],
    namespaceRules: [],
    privateTmp: undefined,
    statusFile: "/run/exec2/status",
    aliveFifo: "/run/exec2/alive",
    command: "/bin/true",
    args: [],
    env: { PATH: "/usr/bin:/bin" },
    workDir: "/",
    uid: taskUid,
    gid: taskUid,
    groups: [],
    oomScoreAdj: 0,
    umask: 0o022,
    noFile: { soft: 1024, hard: 4096 },
    ...overrides,
  };
}

/** A ruleset that handles execution and reading, and allows them beneath the paths. */
export function rulesetFor(paths: readonly string[] = ["/"]): number {
  const access = BigInt(landlockAccess.execute | landlockAccess.readFile | landlockAccess.readDir);
  const ruleset = landlockCreateRuleset(new Uint8Array(new BigUint64Array([access]).buffer), 0);
  for (const path of paths) {
    const rule = new DataView(new ArrayBuffer(12));
    const parent = openPath(path);
    rule.setBigUint64(0, access, true);
    rule.setInt32(8, parent, true);
    landlockAddRule(ruleset, 1, new Uint8Array(rule.buffer));
    closeSync(parent);
  }
  return ruleset;
}

/** A run of its own folder, whose output goes to a file. */
export class TestRun {
  readonly folder = mkdtempSync(join(tmpdir(), "run-"));
  readonly statusFile = join(this.folder, "status");
  readonly aliveFifo = join(this.folder, "alive");
  readonly #output = openSync(join(this.folder, "output"), "a");
  readonly #ruleset: number;

  constructor(unveiled?: readonly string[]) {
    this.#ruleset = rulesetFor(unveiled);
    mkfifo(this.aliveFifo, 0o600);
  }

  start(overrides: Partial<LaunchInput> = {}, runnerFolder?: string): Promise<Launched> {
    const { statusFile, aliveFifo } = this;
    const plan = buildLaunchPlan(launchInput({ statusFile, aliveFifo, ...overrides }));
    const descriptors = { stdout: this.#output, stderr: this.#output, ruleset: this.#ruleset };
    return launch(plan, descriptors, runnerFolder);
  }

  /** Starts a shell script as the task. */
  startScript(script: string, overrides: Partial<LaunchInput> = {}): Promise<Launched> {
    return this.start({ command: "/bin/sh", args: ["-c", script], ...overrides });
  }

  /** What init recorded, once it has ended. */
  async ended(): Promise<ExitStatus | undefined> {
    await watchExit(this.aliveFifo).ended;
    return readExitStatus(this.statusFile);
  }

  output(): string {
    return readFileSync(join(this.folder, "output"), "utf8");
  }

  [Symbol.dispose](): void {
    closeSync(this.#output);
    closeSync(this.#ruleset);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
