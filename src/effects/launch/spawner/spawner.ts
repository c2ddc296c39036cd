/** Begins launches through the spawner (spawnerPlan.ts). */
import { closeSync, readFileSync, writeSync } from "node:fs";
import { hasErrno } from "../../../base/errors.ts";
import { waitpid } from "../../kernel/libc.ts";
import { sendDescriptors, socketPair } from "../../kernel/sockets.ts";
import type { Descriptors, EarlyPlan } from "../../plan/plan.ts";
import {
  launchNotBegun,
  type ReportPipe,
  readReport,
  reportPipe,
  spawnTable,
  writeLate,
  writeTable,
} from "../../plan/spawnPlan.ts";
import { handedOver, spawnerBegin, spawnerRest } from "./spawnerPlan.ts";

/** A launch that has begun with the early part of its plan. */
export interface BegunLaunch extends ReportPipe {
  /** Descriptor of the plan's table, to which the late part is written. The caller closes the descriptor. */
  readonly table: number;
}

/** What only a launch with a logger passes. */
export type LoggerDescriptors = Descriptors<"logRelease" | "stdoutRead" | "stderrRead" | "logFolder">;

/**
 * Requests the fork of a launch's first process, and returns at once.
 * @param passed descriptors of this process; the call does not close them
 * @param output the same, for the logger; undefined without one
 * @param runnerFolder folder for the runner, if this host cannot execute memfds; only root may have access
 * @throws DriverError `LAUNCH_FAILED`
 */
export function beginLaunch(
  early: EarlyPlan,
  passed: Descriptors<"stdout" | "stderr" | "ruleset" | "releasePipe" | "mounts">,
  output: LoggerDescriptors | undefined,
  runnerFolder: string | undefined,
): BegunLaunch {
  using undo = new DisposableStack();
  using childOnly = new DisposableStack();
  try {
    const plan = undo.adopt(writeTable(early), closeSync);
    const pipe = reportPipe(true);
    undo.adopt(pipe.read, closeSync);
    const report = childOnly.adopt(pipe.write, closeSync);
    // The kernel passes a fixed number of descriptors. The launch closes those that it does not need.
    const none = { logRelease: report, stdoutRead: report, stderrRead: report, logFolder: report };
    handOver({ ...passed, ...(output ?? none), plan, report }, runnerFolder);
    undo.move();
    return { table: plan, ...readReport(pipe.read) };
  } catch (thrown) {
    throw launchNotBegun(thrown);
  }
}

/**
 * Starts the spawner in advance, for the first launch. Ignores a failure, because the first launch tries
 * again and reports it.
 */
export function startSpawner(runnerFolder: string): void {
  try {
    spawner ??= spawnSpawner(runnerFolder);
  } catch {
    spawner = undefined;
  }
}

interface Spawner {
  readonly socket: number;
  readonly pid: number;
}

let spawner: Spawner | undefined;

/** The last part of {@link beginLaunch}, for a plan that is already in its table. */
export function handOver(
  launch: Descriptors<(typeof handedOver)[number]>,
  runnerFolder: string | undefined,
): void {
  const descriptors = handedOver.map((name) => launch[name]);
  spawner ??= spawnSpawner(runnerFolder);
  try {
    sendDescriptors(spawner.socket, descriptors);
  } catch (thrown) {
    if (!hasErrno(thrown, "EPIPE") && !hasErrno(thrown, "ECONNRESET")) throw thrown;
    // The spawner was killed.
    closeSync(spawner.socket);
    waitpid(spawner.pid, 0);
    spawner = undefined;
    spawner = spawnSpawner(runnerFolder);
    sendDescriptors(spawner.socket, descriptors);
  }
}

/**
 * Spawns the spawner. The spawner ends together with this process, because its socket then reaches the end of
 * file.
 */
function spawnSpawner(runnerFolder: string | undefined): Spawner {
  const [socket, other] = socketPair();
  using undo = new DisposableStack();
  undo.adopt(socket, closeSync);
  using temporary = new DisposableStack();
  temporary.adopt(other, closeSync);
  const table = temporary.adopt(writeTable(spawnerBegin), closeSync);
  const { pid, report } = spawnTable(table, spawnerBegin, { socket: other }, runnerFolder);
  report.catch(() => undefined);
  writeLate(table, spawnerRest(argumentsOf(pid)));
  writeSync(socket, "g");
  undo.move();
  return { socket, pid };
}

/**
 * Address of a process's arguments: proc_pid_stat(5). If the kernel hides the address, the result is 0, and
 * the spawner's children keep the spawner's name.
 */
function argumentsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // Field 48. Fields are counted from the end of field 2, the name, because only the name may contain spaces.
  return Number(stat.slice(stat.lastIndexOf(")")).split(" ")[46] ?? 0);
}
