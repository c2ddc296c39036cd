/** Runs a program of the host's in a task's namespaces, for an operator, until it or its caller ends. */
import { randomBytes } from "node:crypto";
import { closeSync, constants, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { type ExitStatus, exitStatusOf } from "../../base/taskEnd.ts";
import { findCgroup2Mount } from "../cgroup/cgroup.ts";
import { endCgroup, exitTimeoutMs } from "../cgroup/cgroupEnd.ts";
import { O_DIRECTORY, O_PATH } from "../kernel/constants.ts";
import { pipe2, waitpid } from "../kernel/libc.ts";
import { failedStep, notRun } from "../plan/launchError.ts";
import { readToEnd, spawnPlan } from "../plan/spawnPlan.ts";
import type { ProcessIdentity } from "../processes/processIdentity.ts";
import { openProcess } from "../processes/signals.ts";
import { buildDebugPlan, buildEndPlan, type DebugInput, type ToolEntry } from "./debugPlan.ts";

/**
 * The entries of the root that programs of a folder get. /dev and /sys are always the host's; /proc and /task are made.
 * @param tools the folder with the programs; `/` for the host's own
 */
export function toolEntries(tools: string): ToolEntry[] {
  const made = new Set(["proc", "task", "dev", "sys"]);
  const own = readdirSync(tools, { withFileTypes: true }).flatMap((entry): ToolEntry[] => {
    const { name } = entry;
    const source = join(tools, name);
    if (made.has(name)) return [];
    if (entry.isSymbolicLink()) return [{ name, kind: "link", target: readlinkSync(source) }];
    if (entry.isDirectory()) return [{ name, kind: "folder", source }];
    return entry.isFile() ? [{ name, kind: "file", source }] : [];
  });
  const host = (name: string): ToolEntry => ({ name, kind: "folder", source: `/${name}` });
  return [...own, host("dev"), host("sys")];
}

/**
 * @param task the init of the task's run
 * @returns how the program ended; undefined if the process that waited for it was killed, as with its task
 * @throws DriverError `TASK_NOT_RUNNING`, `LAUNCH_FAILED`, `CGROUP_MISSING`
 */
export async function runInNamespaces(
  input: DebugInput,
  task: ProcessIdentity,
): Promise<ExitStatus | undefined> {
  using opened = new DisposableStack();
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const init = openProcess(task);
  if (init === undefined) throw new DriverError("TASK_NOT_RUNNING", "the task has ended");
  keep(init);
  const around = ownCgroup();
  const name = `exec2-debug-${process.pid}-${randomBytes(4).toString("hex")}.scope`;
  const cgroup = join(around, name);
  mkdirSync(cgroup);
  try {
    const caller = pipe2();
    // The pipe ends with this process, however that ends.
    keep(caller.write);
    using ends = new DisposableStack();
    const passed = {
      caller: ends.adopt(caller.read, closeSync),
      killSwitch: ends.adopt(openSync(join(cgroup, "cgroup.kill"), "w"), closeSync),
      events: ends.adopt(openSync(join(cgroup, "cgroup.events"), "r"), closeSync),
      around: ends.adopt(openSync(around, O_PATH | O_DIRECTORY), closeSync),
    };
    const endPlan = buildEndPlan(name);
    const ending = spawnPlan(endPlan, passed, undefined);
    const failed = failedStep(endPlan, (await ending.report).failure, notRun);
    if (failed !== undefined) throw failed;
    opened.defer(() => {
      process.kill(ending.pid, "SIGKILL");
      waitpid(ending.pid, 0);
    });
    return await run(input, init, cgroup);
  } finally {
    await endCgroup(cgroup, exitTimeoutMs);
  }
}

async function run(input: DebugInput, init: number, cgroup: string): Promise<ExitStatus | undefined> {
  using opened = new DisposableStack();
  const folder = opened.adopt(openSync(cgroup, constants.O_RDONLY | O_DIRECTORY), closeSync);
  const status = pipe2();
  const reported = readToEnd(status.read);
  const plan = buildDebugPlan(input);
  const passed = { stdin: 0, stdout: 1, stderr: 2, init, cgroup: folder, status: status.write };
  let spawned: ReturnType<typeof spawnPlan>;
  try {
    spawned = spawnPlan(plan, passed, undefined);
  } finally {
    closeSync(status.write);
  }
  const failed = failedStep(plan, (await spawned.report).failure, notRun);
  const bytes = await reported;
  const endedAtMs = Date.now();
  // The pipe has closed because the process ended, so this does not block.
  waitpid(spawned.pid, 0);
  if (failed !== undefined) throw failed;
  return bytes.length < 4 ? undefined : exitStatusOf(bytes.readInt32LE(), endedAtMs);
}

/** The cgroup of this process: the session takes its memory and its processors from there, not from the task. */
function ownCgroup(): string {
  const mount = findCgroup2Mount();
  const path = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  if (mount !== undefined && path !== undefined) return join(mount, path);
  throw new DriverError("CGROUP_MISSING", "this process is in no cgroup of version 2");
}
