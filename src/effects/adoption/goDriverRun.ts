/**
 * Runs that HashiCorp's Go driver has started, as the host shows them:
 *
 *     unshare         leads the process group; its pid is in the driver's handle
 *     └ exec2-shim    PID 1 of a pid namespace; older versions execute the command in its place
 *       └ the command
 *
 * All of them are born in the task's cgroup; when PID 1 ends, so does the rest.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { uptime } from "node:os";
import { errnoOf } from "../../errors.ts";
import { processesIn } from "../cgroup/cgroup.ts";
import { RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../kernel/constants.ts";
import { readKernelFile } from "../kernel/file.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import { livingStat, startedAt as startedAtOf } from "../processes/processIdentity.ts";
import type { ProcessIdentity, ProcessStat } from "../processes/processStat.ts";

/** What the Go driver's handle tells of a run. */
export interface GoDriverRun {
  /** The outermost process. */
  readonly pid: number;
  /** When it had been started: milliseconds since the epoch, by the clock of that moment. */
  readonly startedAt: number;
}

export type GoDriverFinding =
  | {
      readonly kind: "running";
      /** PID 1 of its pid namespace. */
      readonly init: ProcessIdentity;
      /** The command; where there is no shim, or it has no child, PID 1 itself. */
      readonly task: ProcessIdentity;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly kind: "ended" }
  /** It belongs to an earlier boot of the host. */
  | { readonly kind: "otherBoot" }
  /** What has its number may be it or not: better not to touch it. */
  | { readonly kind: "doubtful"; readonly reason: string };

/**
 * By how many milliseconds the times that the handle and the kernel tell of a
 * start may differ. The driver looks at the clock a moment after the start, and
 * the clock may have been set since: a leap second, a step of NTP after a boot.
 */
const START_TOLERANCE_MS = 30_000;

/** Looks for a run by its handle: number, start time and cgroup have to agree. */
export function findGoDriverRun({ pid, startedAt }: GoDriverRun, cgroup: string): GoDriverFinding {
  const bootedAt = Date.now() - uptime() * 1000;
  if (startedAt + START_TOLERANCE_MS < bootedAt) return { kind: "otherBoot" };
  const outer = livingStat(pid);
  if (outer === undefined) return { kind: "ended" };
  const members = processesIn(cgroup);
  const begunAt = startedAtOf(outer);
  const agrees = Math.abs(begunAt - startedAt) <= START_TOLERANCE_MS;
  if (!agrees && !members.includes(pid)) return { kind: "ended" };
  if (!agrees) {
    const apart = Math.round((begunAt - startedAt) / 1000);
    return doubtful(
      pid,
      `in the task's cgroup began ${Math.abs(apart)} s ${apart < 0 ? "before" : "after"} the time in the handle`,
    );
  }
  if (!members.includes(pid))
    return doubtful(pid, `began when the task did, but not in its cgroup ${cgroup}`);
  const inside = members.map(livingStat).filter((stat) => stat !== undefined);
  const init = inside.find((stat) => stat.parent === pid && isNamespaceInit(stat.pid));
  return init === undefined ? { kind: "ended" } : running(init, inside);
}

/**
 * The exit code that the shim left in the task's own folder: the task could
 * write it, too. Only one that was written after the task's start is given back.
 * @param allocDir the allocation's private folder; only what is below it is mistrusted
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
    const text = Buffer.alloc(LONGEST_CODE + 1);
    const code = text.toString("latin1", 0, readSync(file, text)).trim();
    if (!/^\d{1,3}$/.test(code) || Number(code) > 255) return undefined;
    return { exitCode: Number(code), endedAtMs: status.mtimeMs };
  } catch (thrown) {
    if (errnoOf(thrown) === undefined) throw thrown;
    return undefined;
  }
}

/** Times of files are those of the last tick of the kernel's clock, which has at least 100 a second. */
const CLOCK_GRAIN_MS = 20;

/** Of an exit code, with a newline. */
const LONGEST_CODE = 4;

function running(init: ProcessStat, inside: readonly ProcessStat[]): GoDriverFinding {
  const children = inside.filter(({ parent }) => parent === init.pid);
  const isShim = readKernelFile(`/proc/${init.pid}/cmdline`)?.split("\0")[1] === "exec2-shim";
  const [first] = children.toSorted((one, other) => one.startTicks - other.startTicks || one.pid - other.pid);
  const task = (isShim && first) || init;
  const [uid, gid] = idsOf(task.pid);
  // It has ended while it was looked at.
  if (uid === undefined || gid === undefined) return { kind: "ended" };
  return { kind: "running", init: identityOf(init), task: identityOf(task), uid, gid };
}

function identityOf({ pid, startTicks }: ProcessStat): ProcessIdentity {
  return { pid, startTicks };
}

/** Whether a process is PID 1 in a namespace below this process's. */
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
