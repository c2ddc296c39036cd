/** The end of a run whose init has exited: finds out how the run ended, and removes what it left. */
import { constants } from "node:os";
import { type ExitStatus, endBySignal, endOfStatus, unknownEnd } from "../../base/taskEnd.ts";
import { readGoDriverExit } from "../../effects/adoption/goDriverRun.ts";
import { readWitness } from "../../effects/adoption/witness.ts";
import { readOutOfMemory } from "../../effects/cgroup/cgroup.ts";
import { endCgroup, endDelegated, exitTimeoutMs, waitForRunExit } from "../../effects/cgroup/cgroupEnd.ts";
import { removeCommandCgroups } from "../../effects/exec/commandCgroup.ts";
import type { ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import { type RecordedStatus, readExitStatus, runFiles } from "../../effects/run/runFiles.ts";
import type { Exit } from "../../machines/events/ending.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { TaskSnapshot } from "../../machines/taskMachine.ts";
import { commandCgroups } from "../exec/commands.ts";
import { delegatedCgroups } from "../history/startEvents.ts";

/** Why a task of an earlier boot is lost. */
export const lostByReboot = "the host was rebooted, which ended the task";

/** A task that fails within this time after an OOM kill counts as ended by the kill. */
const consequenceMs = 10_000;

type End = Pick<Exit, "exitCode" | "signal" | "endedAt" | "source" | "leftProcesses">;

/** What this process knows about a run but may not have recorded yet. */
interface Unrecorded {
  /** Whether this driver has killed the run. */
  readonly killed?: boolean;
  /** The last OOM kill that the task survived. */
  readonly oomSeen?: TaskContext["oom"];
  /** Whether the kernel refuses to read the record, and what else a run leaves. */
  readonly unreadable?: boolean;
}

/** How a run ended: from the record of its init or, without a record, from the log and the host. */
export function exitOf(
  { context }: TaskSnapshot,
  { killed = false, oomSeen = context.oom, unreadable = false }: Unrecorded = {},
): Exit {
  const forceKilled = context.forceKilled || killed;
  if (unreadable) return { ...endWithoutRecord(forceKilled), oom: null, oomKilled: false };
  const status = recordedStatus(context);
  const end = status
    ? endBy(status, context.stop === null && !forceKilled)
    : endWithoutStatus(context, forceKilled);
  // A task that this driver killed was not killed by the OOM killer.
  return { ...end, ...memoryAtEnd(context, oomSeen, status && !forceKilled ? end : undefined) };
}

/** The record of the run's init, or of the witness of an adopted task. */
function recordedStatus({ adopted, sandbox }: TaskContext): Recorded | undefined {
  if (adopted !== null) return readWitness(runFiles(adopted.runFolder).status);
  if (sandbox === null) throw new TypeError("a task that never started cannot have ended");
  return readExitStatus(runFiles(sandbox.runFolder).status);
}

/** The witness of an adopted task does not know what the task has left. */
type Recorded = ExitStatus & Partial<Pick<RecordedStatus, "leftProcesses">>;

/** @param byItself whether nobody has asked for the end: whoever stops a task means all of it */
function endBy(status: Recorded, byItself: boolean): End {
  const isGood = status.exitCode === 0 && status.signal === 0;
  const left = byItself && isGood && status.leftProcesses === true && { leftProcesses: true as const };
  return { ...endOfStatus(status), endedAt: Math.round(status.endedAtMs), source: "status", ...left };
}

function endWithoutStatus({ adopted, request }: TaskContext, forceKilled: boolean): End {
  if (forceKilled) return endWithoutRecord(forceKilled);
  // The shim of a task of the Go driver writes the exit code to a file.
  const written = adopted && request && readGoDriverExit(adopted.handle, request.allocDir, request.taskName);
  return written
    ? { exitCode: written.exitCode, signal: 0, endedAt: Math.round(written.endedAtMs), source: "taskFile" }
    : endWithoutRecord(forceKilled);
}

function endWithoutRecord(forceKilled: boolean): End {
  const endedAt = Date.now();
  if (forceKilled) return { ...endBySignal(constants.signals.SIGKILL), endedAt, source: "forceKilled" };
  return { ...unknownEnd, endedAt, source: "unknown" };
}

/** @param end how the task ended; undefined if the end is unknown, or if this driver killed the task */
function memoryAtEnd(
  context: TaskContext,
  survived: TaskContext["oom"],
  end: End | undefined,
): Pick<Exit, "oom" | "oomKilled"> {
  const oom = oomOf(context);
  // An OOM kill elsewhere in the cgroup did not end a task that exited with 0.
  const bad = end !== undefined && end.exitCode !== 0;
  return { oom, oomKilled: bad && wasFatal(oom, survived, end.endedAt) };
}

/**
 * The OOM kills during the run, from the kernel's count; null if there were none, or if the kernel does not
 * count them.
 */
export function oomOf({ request, sandbox, adopted }: TaskContext): Exit["oom"] {
  const before = sandbox?.oomKills ?? adopted?.oomKills;
  return request === null || before === undefined ? null : readOutOfMemory(request.resources.cgroup, before);
}

/**
 * Whether an OOM kill ended a failed task. True if a kill went unnoticed while the task ran, or if a kill was
 * noticed shortly before the end. A worker that was killed hours before did not end the task.
 * @param oom all OOM kills of the run
 * @param survived the last OOM kill after which the task was seen to go on
 */
function wasFatal(oom: Exit["oom"], survived: TaskContext["oom"], endedAt: number): boolean {
  if (oom === null) return false;
  return survived === null || oom.kills > survived.kills || endedAt - survived.at <= consequenceMs;
}

/**
 * Removes what a run left. If its init was killed, a run in the host's pid namespace may leave processes.
 * These are killed. The cgroups below the task's cgroup are removed. Resolves once the agent can remove the
 * task's cgroup.
 * @param init the run's init, if no event names it
 */
export async function cleanUpRun({ context }: TaskSnapshot, init?: ProcessIdentity): Promise<void> {
  const { request, sandbox, process } = context;
  if (sandbox?.runCgroup) await endCgroup(sandbox.runCgroup, exitTimeoutMs);
  const known = init ?? process?.init ?? sandbox?.init;
  if (request && known) await waitForRunExit(request.resources.cgroup, known);
  if (request && sandbox) await removeCommandCgroups(commandCgroups({ request, sandbox }));
  await removeDelegated(context);
}

/**
 * Removes the subtree of cgroups that a task had; most have none. A relay of the task's output keeps the cgroup that it
 * is in: whoever waits for the relay's end calls this once more.
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export async function removeDelegated(context: Pick<TaskContext, "request" | "sandbox">): Promise<void> {
  const cgroups = delegatedCgroups(context);
  if (cgroups) await endDelegated(cgroups, exitTimeoutMs);
}
