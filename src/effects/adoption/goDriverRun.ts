/**
 * Finds runs that HashiCorp's Go driver has started. Their processes are:
 *
 *     unshare         leads the process group; its pid is in the driver's handle
 *     └ exec2-shim    PID 1 of a pid namespace; older versions execute the command in its place
 *       └ the command
 *
 * All of them start in the task's cgroup. When PID 1 exits, the kernel kills the rest.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { uptime } from "node:os";
import { errnoOf } from "../../base/errors.ts";
import { processesIn } from "../cgroup/cgroup.ts";
import { RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../kernel/constants.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import { livingStat, startedAt as startedAtOf } from "../processes/processIdentity.ts";
import type { ProcessIdentity, ProcessStat } from "../processes/processStat.ts";

/** A run as the Go driver's handle describes it. */
export interface GoDriverRun {
  /** The outermost process. */
  readonly pid: number;
  /** Its start time: milliseconds since the epoch, by the wall clock at the start. */
  readonly startedAt: number;
}

export type GoDriverFinding =
  | {
      readonly kind: "running";
      /** PID 1 of the run's pid namespace. */
      readonly init: ProcessIdentity;
      /** The command; PID 1 itself if there is no shim, or the shim has no child. */
      readonly task: ProcessIdentity;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly kind: "ended" }
  /** The run is from an earlier boot of the host. */
  | { readonly kind: "otherBoot" }
  /** A process has the run's pid, but may not belong to the run, so it must not be touched. */
  | { readonly kind: "doubtful"; readonly reason: string };

/**
 * Maximum difference between the start times in the handle and in the kernel, in milliseconds. The Go driver
 * reads the clock a moment after the start. The clock may also have been set since, by a leap second or by
 * NTP after a boot.
 */
const START_TOLERANCE_MS = 30_000;

/** Finds a run by its handle: pid, start time and cgroup must agree. */
export function findGoDriverRun({ pid, startedAt }: GoDriverRun, cgroup: string): GoDriverFinding {
  const bootedAt = Date.now() - uptime() * 1000;
  if (startedAt + START_TOLERANCE_MS < bootedAt) return { kind: "otherBoot" };
  const outer = livingStat(pid);
  if (outer === undefined) return { kind: "ended" };
  const members = processesIn(cgroup);
  const processStartedAt = startedAtOf(outer);
  const agrees = Math.abs(processStartedAt - startedAt) <= START_TOLERANCE_MS;
  if (!agrees && !members.includes(pid)) return { kind: "ended" };
  if (!agrees) {
    const delay = Math.round((processStartedAt - startedAt) / 1000);
    return doubtful(
      pid,
      `in the task's cgroup began ${Math.abs(delay)} s ${delay < 0 ? "before" : "after"} the time in the handle`,
    );
  }
  if (!members.includes(pid))
    return doubtful(pid, `began when the task did, but is not in the task's cgroup ${cgroup}`);
  const inside = members.map(livingStat).filter((stat) => stat !== undefined);
  const init = inside.find((stat) => stat.parent === pid && isNamespaceInit(stat.pid));
  return init === undefined ? { kind: "ended" } : running(init, inside);
}

/**
 * Reads the exit code that the shim wrote to the task's own folder. The task itself could also have written
 * it. Ignores a file that is older than the task's start.
 * @param allocDir the allocation's private folder; only paths below it are untrusted
 */
export function readGoDriverExit(
  { startedAt }: GoDriverRun,
  allocDir: string,
  taskName: string,
): { readonly exitCode: number; readonly endedAtMs: number } | undefined {
  using opened = new DisposableStack();
  try {
    const folder = opened.adopt(openSync(allocDir, constants.O_DIRECTORY), closeSync);
    const file = tryOpenat2(folder, `${taskName}/local/.exit_status.txt`, {
      flags: constants.O_RDONLY | constants.O_NONBLOCK,
      resolve: RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
    });
    if (typeof file !== "number") return undefined;
    opened.adopt(file, closeSync);
    const status = fstatSync(file);
    if (!status.isFile() || status.mtimeMs < startedAt - CLOCK_GRAIN_MS) return undefined;
    const text = Buffer.alloc(MAX_CODE_BYTES + 1);
    const code = text.toString("latin1", 0, readSync(file, text)).trim();
    if (!/^\d{1,3}$/.test(code) || Number(code) > 255) return undefined;
    return { exitCode: Number(code), endedAtMs: status.mtimeMs };
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return undefined;
  }
}

/**
 * Milliseconds by which a file's time may lag: the kernel takes the time of its last clock tick, and there
 * are at least 100 ticks a second.
 */
const CLOCK_GRAIN_MS = 20;

/** Maximum length of an exit code with a newline. */
const MAX_CODE_BYTES = 4;

function running(init: ProcessStat, inside: readonly ProcessStat[]): GoDriverFinding {
  const children = inside.filter(({ parent }) => parent === init.pid);
  const isShim = readKernelFile(`/proc/${init.pid}/cmdline`)?.split("\0")[1] === "exec2-shim";
  const [first] = children.toSorted((one, other) => one.startTicks - other.startTicks || one.pid - other.pid);
  const task = (isShim && first) || init;
  const [uid, gid] = idsOf(task.pid);
  // The process has exited in the meantime.
  if (uid === undefined || gid === undefined) return { kind: "ended" };
  return { kind: "running", init: identityOf(init), task: identityOf(task), uid, gid };
}

function identityOf({ pid, startTicks }: ProcessStat): ProcessIdentity {
  return { pid, startTicks };
}

/** Whether a process is PID 1 of a pid namespace below this process's own. */
function isNamespaceInit(pid: number): boolean {
  const numbers = statusField(pid, "NSpid");
  return numbers.length > 1 && numbers.at(-1) === 1;
}

/** Real uid and gid. */
function idsOf(pid: number): [number | undefined, number | undefined] {
  return [statusField(pid, "Uid")[0], statusField(pid, "Gid")[0]];
}

/** Numbers of a field of proc_pid_status(5). */
function statusField(pid: number, name: string): number[] {
  const status = readKernelFile(`/proc/${pid}/status`) ?? "";
  const text = new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
  return text.split("\t").filter(Boolean).map(Number);
}

function doubtful(pid: number, what: string): GoDriverFinding {
  return { kind: "doubtful", reason: `process ${pid} ${what}` };
}
