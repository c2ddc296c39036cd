/**
 * Finds out how a run ended, once its init has exited: from init's record, or else from the log and the host.
 */
import { constants } from "node:os";
import { readGoDriverExit } from "../../effects/adoption/goDriverRun.ts";
import { readWitness } from "../../effects/adoption/witness.ts";
import { readOutOfMemory } from "../../effects/cgroup/outOfMemory.ts";
import { runFiles } from "../../effects/files/runFiles.ts";
import { readExitStatus } from "../../effects/processes/statusFile.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskSnapshot } from "../../machines/fold.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { type ExitStatus, endBySignal, endOfStatus, unknownEnd } from "../../taskEnd.ts";
import { wasFatal } from "./outOfMemory.ts";

/** Why a task of an earlier boot is lost. */
export const lostByReboot = "the host was rebooted: its processes are gone";

type Exit = EventData<"exited">;
type End = Pick<Exit, "exitCode" | "signal" | "endedAt" | "source">;

/** What this process knows of a run, but may not have recorded yet. */
interface Unrecorded {
  /** Whether this driver has killed the run. */
  readonly killed?: boolean;
  /** The last OOM kill that the task survived. */
  readonly oomSeen?: TaskContext["oom"];
}

export function exitOf(
  { context }: TaskSnapshot,
  { killed = false, oomSeen = context.oom }: Unrecorded = {},
): Exit {
  const forceKilled = context.forceKilled || killed;
  const status = recordedStatus(context);
  const end = status ? endBy(status) : endWithoutStatus(context, forceKilled);
  // A task that this driver killed was not killed by the OOM killer.
  return { ...end, ...memoryAtEnd(context, oomSeen, status && !forceKilled ? end : undefined) };
}

/** The record of the run's init, or of the witness of an adopted task. */
function recordedStatus({ adopted, sandbox }: TaskContext): ExitStatus | undefined {
  if (adopted !== null) return readWitness(runFiles(adopted.runFolder).status);
  if (sandbox === null) throw new TypeError("a task that never started cannot have ended");
  return readExitStatus(runFiles(sandbox.runFolder).status);
}

function endBy(status: ExitStatus): End {
  return { ...endOfStatus(status), endedAt: Math.round(status.endedAtMs), source: "status" };
}

function endWithoutStatus({ adopted, request }: TaskContext, forceKilled: boolean): End {
  if (forceKilled)
    return { ...endBySignal(constants.signals.SIGKILL), endedAt: Date.now(), source: "forceKilled" };
  // The shim of a task of the Go driver writes the exit code to a file.
  const written = adopted && request && readGoDriverExit(adopted.handle, request.allocDir, request.taskName);
  return written
    ? { exitCode: written.exitCode, signal: 0, endedAt: Math.round(written.endedAtMs), source: "taskFile" }
    : { ...unknownEnd, endedAt: Date.now(), source: "unknown" };
}

/** @param end how the task ended; undefined if that is unknown, or if this driver killed it */
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
