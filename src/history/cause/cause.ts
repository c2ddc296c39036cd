/**
 * Names the cause of a failure, if something witnesses it: the kernel, or the record of the task's calls. The program's
 * own words name none, whatever the host shows of them: they may be about something else, and a wrong cause costs more
 * time than none. Pure.
 */
import { describeDenial } from "../../effects/landlock/denial.ts";
import { settingsFor } from "../../effects/verdicts.ts";
import { type Cause, kindsOfErrors } from "../../machines/events/cause.ts";
import type { Refusal } from "../../machines/events/denied.ts";
import type { Exit } from "../../machines/events/ending.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { formatBytes } from "../../units/sizes.ts";
import { isDecisive, lastCallOfMain, lastCallText } from "./decisive.ts";
import {
  type HostEvidence,
  type RefusalBeforeEnd,
  recordedCause,
  unknownCause,
  witnessed,
} from "./evidence.ts";
import type { Output } from "./knownTexts.ts";
import { limitText, outputCause } from "./outputCause.ts";
import { isTried, nameOf, settingsToUnveil } from "./roots.ts";
import { signalCause, signalOfCommand } from "./signalCause.ts";

/** Whether the task failed: it ended badly, and nobody had asked it to end. */
export function hasFailed({ exitCode, source }: Exit, { stop, forceKilled }: TaskContext): boolean {
  return exitCode !== 0 && source !== "unknown" && stop === null && !forceKilled;
}

/**
 * The cause of a failure.
 * @param output the end of the task's own output
 * @param refused the sandbox's last refusal, if it came so shortly before the end that it may be the cause
 * @param mask takes secrets out of the cause's texts
 */
export function causeOf(
  context: TaskContext,
  end: Exit,
  output: Output,
  evidence: HostEvidence,
  refused?: RefusalBeforeEnd,
  mask: (text: string) => string = (text) => text,
): Cause {
  return recordedCause(foundCause(context, end, output, evidence, refused), mask);
}

function foundCause(
  context: TaskContext,
  end: Exit,
  output: Output,
  evidence: HostEvidence,
  refused: RefusalBeforeEnd | undefined,
): Cause {
  if (end.oomKilled) return memoryCause(end);
  const { known, lastLine } = output;
  const said = known && outputCause(known, context, end, evidence);
  if (end.signal > 0) return said?.kind === "program_memory" ? said : signalCause(context, end, evidence);
  const [record, main] = [evidence.recorded?.record, context.process?.task.pid];
  const isDenied = refused !== undefined && isDecisive(refused, output, record, end, main);
  // No denial is recorded for a lack of capabilities, so an earlier denial must not take the blame.
  if (isDenied && !(said?.kind === "permission" && /^port |names port /.test(said.text)))
    return denialCause(refused.refusal, context, lastLine);
  return (
    said ??
    signalOfCommand(end, evidence, lastLine) ??
    (lastLine === undefined ? silentCause(context, evidence) : undefined) ??
    fullDisk(context, end, lastLine) ??
    unknownCause(lastLine)
  );
}

/** A cgroup whose peak stayed below this share of its limit has never been full. */
const fullShare = 0.9;

function memoryCause({ oom, signal }: Exit): Cause {
  const { limitBytes = null, peakBytes = null } = oom ?? {};
  // A run that ends by itself soon after a kill has lost another process than its main one.
  const what = signal > 0 ? "killed by the kernel" : "the kernel killed one of its processes";
  if (limitBytes === null || (peakBytes !== null && peakBytes < limitBytes * fullShare)) {
    const own = limitBytes === null ? "the task itself has no limit" : "the task's own limit was not full";
    return witnessed(
      "host_memory",
      `${what}: the host, or a cgroup above the task's, ran out of memory; ${own}`,
    );
  }
  return witnessed(
    "memory_limit",
    `${what}: ${formatBytes(limitBytes)} memory limit was full; raise memory or memory_max`,
  );
}

function denialCause(refused: Refusal, context: TaskContext, line: string | undefined): Cause {
  const text = `it was denied ${describeDenial(refused)}`;
  return witnessed("denied", { text, advice: settingsFor(refused, context) }, line);
}

/** The cause of a failure that says nothing of itself, but whose disk was full. */
function fullDisk(context: TaskContext, end: Exit, line: string | undefined): Cause | undefined {
  const text = limitText(context, end, false);
  return text === undefined ? undefined : witnessed("disk_full", text, line);
}

/** The last failed call of a program that said nothing. */
function silentCause(context: TaskContext, { recorded }: HostEvidence): Cause | undefined {
  const call = lastCallOfMain(recorded?.record, context.process?.task.pid);
  if (call === undefined) return undefined;
  const missed = recorded?.missed.findLast(({ path }) => path === call.object);
  if (call.call === null || missed !== undefined) {
    if (missed === undefined) return undefined;
    const text = `it last missed ${nameOf(missed)}, which the host has, but not its root`;
    return witnessed("missing_path", { text, advice: settingsToUnveil(missed, context) });
  }
  const kind = silentErrors.has(call.error) ? kindsOfErrors[call.error] : undefined;
  if (kind === undefined || (call.object?.startsWith("/") && isTried(call.object, context))) return undefined;
  return witnessed(kind, lastCallText(call));
}

/** The errors of calls that programs can seldom do without. */
const silentErrors: ReadonlySet<string> = new Set([
  ...["EADDRINUSE", "ECONNREFUSED", "EACCES", "ENOSPC", "EDQUOT", "EROFS", "EMFILE", "ENFILE"],
]);
