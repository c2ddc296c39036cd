/**
 * Launches a task without the rest of the driver: a run with its ruleset, files and descriptors. Needs root.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LANDLOCK_RULE_NET_PORT, O_PATH } from "../../../src/effects/kernel/constants.ts";
import { landlockAddRule, landlockCreateRuleset, mkfifo } from "../../../src/effects/kernel/libc.ts";
import { netPortAttr, rulesetAttr } from "../../../src/effects/kernel/structs.ts";
import { LATEST_ABI, maskOfRights, portRights } from "../../../src/effects/landlock/rights.ts";
import type { LaunchDescriptors, Launched } from "../../../src/effects/launch/launcher.ts";
import { type PortLimits, portOptions } from "../../../src/effects/network/ports.ts";
import { defaultTaskOptions } from "../../../src/effects/parts.ts";
import type { LaunchPlan, SystemCallFilter } from "../../../src/effects/plan/plan.ts";
import { killInit } from "../../../src/effects/processes/signals.ts";
import { type RecordedStatus, readExitStatus, watchExit } from "../../../src/effects/run/runFiles.ts";
import { systemCallFilter } from "../../../src/effects/seccomp/systemCallFilter.ts";
import type { FilterOptions, SeccompProfile } from "../../../src/effects/seccomp/taskFilter.ts";
import { buildLaunchPlan, type LaunchInput, launch } from "./wholeLaunch.ts";

/** A uid that no account of the host has. */
export const taskUid = 84242;

/** Access rights of `linux/landlock.h`, ABI 1. */
const landlockAccess = {
  execute: 1 << 0,
  writeFile: 1 << 1,
  readFile: 1 << 2,
  readDir: 1 << 3,
} as const;

/** A complete input for a command that does nothing. */
export function launchInput(overrides: Partial<LaunchInput> = {}): LaunchInput {
  return {
    options: defaultTaskOptions(),
    initName: "exec2-init: 01234567/test",
    cgroup: undefined,
    network: { kind: "host" },
    hostname: undefined,
    root: { kind: "host" },
    binds: [],
    readOnlyFolders: [],
    mounts: [],
    hidden: [],
    namespaceRules: [],
    knownRules: [],
    privateTmp: undefined,
    statusFile: "/run/exec2/status",
    aliveFifo: "/run/exec2/alive",
    logger: undefined,
    relay: undefined,
    command: "/bin/true",
    name: "true",
    args: [],
    env: { PATH: "/usr/bin:/bin" },
    workDir: "/",
    uid: taskUid,
    gid: taskUid,
    groups: [],
    limits: [{ resource: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }],
    capabilities: undefined,
    filter: undefined,
    recordDenials: false,
    runCgroup: undefined,
    ...overrides,
  };
}

/**
 * A ruleset that handles execution and reading, and allows both below the paths. If ports are given, it also
 * limits the task to these ports.
 */
export function rulesetFor(paths: readonly string[] = ["/"], ports: PortLimits = {}): number {
  const access = BigInt(landlockAccess.execute | landlockAccess.readFile | landlockAccess.readDir);
  const limited = portOptions.filter((option) => ports[option] !== undefined);
  const net = limited.map((option) => portRights[option]);
  const ruleset = landlockCreateRuleset(rulesetAttr(Number(access), maskOfRights(net, LATEST_ABI), 0), 0);
  for (const option of limited) {
    const right = maskOfRights([portRights[option]], LATEST_ABI);
    for (const port of ports[option] ?? [])
      landlockAddRule(ruleset, LANDLOCK_RULE_NET_PORT, netPortAttr(right, port));
  }
  for (const path of paths) {
    // Landlock refuses folder rights for a file.
    const rights = statSync(path).isDirectory() ? access : access & ~BigInt(landlockAccess.readDir);
    const rule = new DataView(new ArrayBuffer(12));
    const parent = openSync(path, O_PATH);
    rule.setBigUint64(0, rights, true);
    rule.setInt32(8, parent, true);
    landlockAddRule(ruleset, 1, new Uint8Array(rule.buffer));
    closeSync(parent);
  }
  return ruleset;
}

/** The filter of a profile and of a task's options; undefined if they refuse no call. */
export function filterOf(
  profile: Partial<SeccompProfile> = {},
  options: FilterOptions = {},
): SystemCallFilter | undefined {
  return systemCallFilter({ profile: "default", allow: [], deny: [], ...profile }, options);
}

interface StartOptions {
  readonly stdout?: number;
  readonly runnerFolder?: string;
}

/** A run with its own folder, whose output goes to a file. */
export class TestRun {
  readonly folder = mkdtempSync(join(tmpdir(), "run-"));
  readonly statusFile = join(this.folder, "status");
  readonly aliveFifo = join(this.folder, "alive");
  readonly #output = openSync(join(this.folder, "output"), "a");
  readonly #mounts = openSync("/proc/self/ns/mnt", "r");
  readonly #ruleset: number;
  readonly #started: Launched[] = [];

  constructor(unveiled?: readonly string[], tcp?: PortLimits) {
    this.#ruleset = rulesetFor(unveiled, tcp);
    mkfifo(this.aliveFifo, 0o600);
  }

  plan(overrides: Partial<LaunchInput>): LaunchPlan {
    const { statusFile, aliveFifo } = this;
    return buildLaunchPlan(launchInput({ statusFile, aliveFifo, ...overrides }));
  }

  get descriptors(): LaunchDescriptors {
    return { stdout: this.#output, stderr: this.#output, ruleset: this.#ruleset, mounts: this.#mounts };
  }

  /** @param options differences from a launch whose output goes to the run's file */
  async start(overrides: Partial<LaunchInput> = {}, options: StartOptions = {}): Promise<Launched> {
    const { descriptors } = this;
    const stdout = options.stdout ?? descriptors.stdout;
    return this.adopt(await launch(this.plan(overrides), { ...descriptors, stdout }, options.runnerFolder));
  }

  /** Ends a launch with this run, if it still runs then. */
  protected adopt(launched: Launched): Launched {
    this.#started.push(launched);
    return launched;
  }

  /** Starts a shell script as the task. */
  startScript(
    script: string,
    overrides: Partial<LaunchInput> = {},
    options?: StartOptions,
  ): Promise<Launched> {
    return this.start({ command: "/bin/sh", args: ["-c", script], ...overrides }, options);
  }

  /** Waits for init's end, and returns the status that init recorded. */
  async ended(): Promise<RecordedStatus | undefined> {
    await watchExit(this.aliveFifo).ended;
    return readExitStatus(this.statusFile);
  }

  output(): string {
    return readFileSync(join(this.folder, "output"), "utf8");
  }

  /** Ends processes that still run, such as after a failed assertion. */
  [Symbol.dispose](): void {
    for (const { init } of this.#started) killInit(init);
    closeSync(this.#output);
    closeSync(this.#ruleset);
    closeSync(this.#mounts);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Lines that a shell script prints when it runs as the task. */
export async function taskLines(script: string, overrides: Partial<LaunchInput> = {}): Promise<string[]> {
  using run = new TestRun();
  await run.startScript(script, overrides);
  await run.ended();
  return run.output().trim().split("\n");
}
