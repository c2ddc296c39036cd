/** How a task ended, or that it still runs, and what led there. Pure. */
import { withCall } from "../errors.ts";
import type { EventData } from "../machines/events.ts";
import type { TaskContext } from "../machines/taskContext.ts";
import { signalName } from "../signalNames.ts";
import { NOT_EXECUTABLE, NOT_FOUND, SIGNALLED } from "../taskEnd.ts";
import { formatDuration } from "../units/durations.ts";
import { formatBytes } from "../units/sizes.ts";
import { formatTime } from "../units/times.ts";
import { type Fact, ofType, type Sentence, sentence } from "./facts.ts";

export function ending(facts: readonly Fact[], context: TaskContext): Sentence[] {
  const [[failed], [exited], [lost]] = [
    ofType(facts, "startFailed"),
    ofType(facts, "exited"),
    ofType(facts, "lost"),
  ];
  if (failed !== undefined) return failedStart(failed);
  const requests = stopRequests(facts);
  if (lost !== undefined) return [...requests, ...lostSentences(facts, lost)];
  const seen = ofType(facts, "oomSeen");
  if (exited === undefined) return [...requests, ...survivedOom(seen), ...stillRunning(facts, context)];
  const [survived, last] = oomsBefore(exited, seen);
  return [...survivedOom(survived), ...requests, ...exitSentences(facts, { exited, last }, context)];
}

function failedStart(fact: Fact<"startFailed">): Sentence[] {
  const { code, message, summary, failed, hint, recoverable } = fact.data;
  const what = summary === null ? message : withCall(summary, failed);
  const next = recoverable ? "The agent was told that it may try again" : "Trying again would fail again";
  return [
    ...sentence([fact], `It never ran: ${code}, ${what}`),
    ...(hint === null ? [] : sentence([fact], hint)),
    ...sentence([fact], next),
  ];
}

function stopRequests(facts: readonly Fact[]): Sentence[] {
  const [stop, ...again] = ofType(facts, "stopRequested");
  const [destroy] = ofType(facts, "destroyRequested");
  const timedOut = ofType(facts, "stopTimedOut").at(-1);
  const killed = ofType(facts, "forceKilled").find(({ data }) => data.delivered);
  const repeated = again.length > 0 ? `, ${again.length + 1} times` : "";
  const tooLate = ofType(facts, "signalled").find(
    ({ seq, data }) => seq > (stop?.seq ?? seq) && !data.delivered,
  );
  return [
    ...sentence(
      [stop, ...again],
      `The agent asked it to stop${repeated}, with ${signalName(stop?.data.signal ?? 0)} and ${formatDuration(stop?.data.timeoutMs ?? 0)} to do so`,
    ),
    ...sentence([tooLate], "The signal found it gone already"),
    ...sentence(
      [timedOut, killed?.data.reason === "stopTimedOut" ? killed : undefined].filter(() => timedOut),
      "It was still running when that time was over, so it was killed",
    ),
    ...sentence(
      [destroy, killed?.data.reason === "destroyRequested" ? killed : undefined].filter(() => destroy),
      "The agent wanted it gone whether it ran or not, so it was killed",
    ),
  ];
}

/**
 * Separates earlier OOM kills from the one that ended the task. The kernel counts
 * a kill before anyone can see the exit, so an `oomSeen` may report the last one, too.
 */
function oomsBefore({ data }: Fact<"exited">, seen: readonly Fact<"oomSeen">[]) {
  const isLast = (fact: Fact<"oomSeen">) => data.oomKilled && fact.data.kills === data.oom?.kills;
  return [seen.filter((fact) => !isLast(fact)), seen.filter(isLast)] as const;
}

function survivedOom(seen: readonly Fact<"oomSeen">[]): Sentence[] {
  const last = seen.at(-1);
  if (last === undefined) return [];
  const { kills } = last.data;
  const killed = kills === 1 ? "a process of it" : `${kills} processes of it`;
  const text = `The kernel killed ${killed} for lack of memory${memory(last.data)}, and it went on`;
  return sentence(seen, text);
}

interface Ending {
  readonly exited: Fact<"exited">;
  /** The events that saw the OOM kill that ended the task. */
  readonly last: readonly Fact<"oomSeen">[];
}

function exitSentences(facts: readonly Fact[], { exited, last }: Ending, context: TaskContext): Sentence[] {
  const { oomKilled, oom, source, endedAt, exitCode, signal } = exited.data;
  const ran = context.startedAt === null ? "" : lasted(endedAt - context.startedAt);
  const [stop] = ofType(facts, "stopRequested");
  const took = stop && ` ${formatDuration(Math.max(0, endedAt - stop.time))} after that request`;
  const end = (text: string) => sentence([exited], `It ${text}`);
  if (source === "unknown") {
    return end("is gone, and nobody can know how it ended: its init was killed before it could record that");
  }
  if (oomKilled) {
    const advice = "Raise resources.memory (or memory_max), or have the program use less";
    return [
      ...sentence([...last, exited], `It was killed by the kernel for lack of memory${ran}${memory(oom)}`),
      ...sentence([exited], advice),
    ];
  }
  const trust = source === "taskFile" ? ", by a file that the task itself could write" : "";
  const lack =
    oom !== null && oom.kills > (context.oom?.kills ?? 0)
      ? sentence([exited], `The kernel killed ${oom.kills} of its processes for lack of memory${memory(oom)}`)
      : [];
  if (signal === 0) {
    const meaning =
      exitMeaning(exitCode) ?? "what that means is the program's own to say, its log may tell more";
    const how = `ended with exit code ${exitCode}${took ?? ran}${trust}: ${meaning}`;
    return [...lack, ...end(how), ...(exitCode === 0 || stop ? [] : refusals(facts))];
  }
  const killed = `was ended by ${signalName(signal)}${took ?? ran}${trust}`;
  return [...lack, ...end(`${killed}${senderOf(facts, signal)}`)];
}

/** Who sent a signal, if the events show it; otherwise what the signal means. */
function senderOf(facts: readonly Fact[], signal: number): string {
  const sent = ofType(facts, "signalled").some(({ data }) => data.signal === signal && data.delivered);
  const killed = signal === 9 && ofType(facts, "forceKilled").some(({ data }) => data.delivered);
  if (sent || killed) return ", as the agent wanted";
  const meaning = signalMeaning(signal);
  return meaning
    ? `: ${meaning}`
    : ": not the driver's doing, somebody else on the host (or the task) sent it";
}

/** Paths that the sandbox may have refused to a task that failed. Only the task sees refusals, the log does not. */
function refusals(facts: readonly Fact[]): Sentence[] {
  const [sandboxed] = ofType(facts, "sandboxed");
  const requested = sandboxed?.data.unveiled.filter(({ source }) => /task|plugin/.test(source)) ?? [];
  const entries = requested.map(({ path, mode }) => `${mode}:${path}`).join(", ");
  return sentence(
    [sandboxed],
    `If the sandbox refused it something, its log says "Permission denied" (EACCES), since the task alone is told: beside its own folders and the default paths it could use ${entries || "nothing"}; what it lacks goes into unveil`,
  );
}

function lostSentences(facts: readonly Fact[], lost: Fact<"lost">): Sentence[] {
  const before = facts.filter(({ seq }) => seq < lost.seq).at(-1);
  const known = before && `The last that is known of it is of ${formatTime(before.time)} (${before.type})`;
  return [
    ...sentence([before], known ?? ""),
    ...sentence([lost], `It is lost, since ${lost.data.reason}`),
    ...sentence([lost], "How it ended cannot be known; the agent starts such a task anew"),
  ];
}

function stillRunning(facts: readonly Fact[], { process, startedAt }: TaskContext): Sentence[] {
  const last = facts.at(-1);
  if (process === null || startedAt === null) {
    return sentence([last], "It has not started yet, as far as its events tell");
  }
  const text = `It is running as pid ${process.task.pid}, since ${formatTime(startedAt)}, as far as its events tell`;
  return sentence([last], text);
}

function memory(oom: EventData<"exited">["oom"]): string {
  if (oom === null) return "";
  const { limitBytes, peakBytes } = oom;
  const limit = limitBytes === null ? "no limit of its own" : `a limit of ${formatBytes(limitBytes)}`;
  const peak = peakBytes === null ? "" : `, at most ${formatBytes(peakBytes)} in use`;
  return ` (${limit}${peak})`;
}

/** A short task can end before the plugin has recorded its start: the span is then negative. */
function lasted(ms: number): string {
  return ms < 1 ? " at once" : ` after ${formatDuration(ms)}`;
}

/** What an exit code means; undefined if only the program defines it. */
function exitMeaning(code: number): string | undefined {
  const signal = code - SIGNALLED;
  if (code === 0) return "success";
  if (code === NOT_EXECUTABLE) {
    return "a shell says so of a command that is there and cannot be run, for lack of rights or because it is no program";
  }
  if (code === NOT_FOUND) return "a shell says so of a command that it does not find";
  if (signal < 1 || signal > 64) return undefined;
  return `a shell says so where ${signalName(signal)} ended its command (${SIGNALLED} + ${signal})`;
}

/** Why a process dies of a signal; undefined if the signal does not show that. */
function signalMeaning(signal: number): string | undefined {
  return signalMeanings[signalName(signal)];
}

/** signal(7). */
const signalMeanings: Readonly<Record<string, string>> = {
  SIGABRT: "it gave up itself, as abort(3) and failed assertions do",
  SIGBUS: "it used memory that has nothing behind it, such as a mapped file that became shorter",
  SIGFPE: "an arithmetic error, such as a division by zero",
  SIGILL: "its processor does not know an instruction of it",
  SIGPIPE: "it wrote to a pipe or socket that nobody reads any more",
  SIGSEGV: "it used memory that is not its own, which is a defect of the program",
  SIGSYS: "it made a system call that is not allowed to it",
  SIGTRAP: "it stopped at a breakpoint or an assertion",
  SIGXCPU: "its limit of CPU time (RLIMIT_CPU) was used up",
  SIGXFSZ: "it wrote a file beyond its limit of size (RLIMIT_FSIZE)",
};
