/** Sentences that say how and why a task ended, or that it still runs. Pure. */

import { withCall } from "../../base/errors.ts";
import { signalMeaning, signalName } from "../../base/signalNames.ts";
import { NOT_EXECUTABLE, NOT_FOUND, SIGNALLED } from "../../base/taskEnd.ts";
import { isProbe } from "../../effects/verdicts.ts";
import { causeText, knownCause } from "../../machines/events/cause.ts";
import { MASK } from "../../machines/events/defineEvent.ts";
import { describeStopCommand } from "../../machines/events/ending.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatBytes } from "../../units/sizes.ts";
import { formatZonedTime } from "../../units/times.ts";
import { upperFirst } from "../../units/upperFirst.ts";
import { recordedSentences } from "./blackBox.ts";
import { denialSentences } from "./denials.ts";
import { type Fact, ofType, type Sentence, sentence } from "./facts.ts";
import { waitSentences } from "./waits.ts";

/**
 * Why the task failed, if its event says so: the sentence that the agent has got, too. Otherwise the last message of its
 * output, if it may be shown.
 */
export function causeSentence(facts: readonly Fact[]): Sentence[] {
  const [exited] = ofType(facts, "exited");
  const { cause } = exited?.data ?? {};
  const known = knownCause(cause);
  if (known !== undefined) return sentence([exited], upperFirst(causeText(known)));
  const { line } = cause ?? {};
  if (line == null || line === MASK) return [];
  return sentence([exited], `Its output ends with: "${shortLine(line)}"`);
}

/** Maximum length of a quoted line. */
const maxQuote = 200;

function shortLine(line: string): string {
  return line.length > maxQuote ? `${line.slice(0, maxQuote - 1)}…` : line;
}

export function ending(facts: readonly Fact[], context: TaskContext): Sentence[] {
  const [[failed], [exited], [lost]] = [
    ofType(facts, "startFailed"),
    ofType(facts, "exited"),
    ofType(facts, "lost"),
  ];
  if (failed !== undefined) return failedStart(failed);
  const requests = stopRequests(facts);
  const denied = denialSentences(facts, context, exited === undefined || exited.data.exitCode !== 0);
  if (lost !== undefined) return [...denied, ...requests, ...lostSentences(facts, lost)];
  const seen = ofType(facts, "oomSeen");
  if (exited === undefined) {
    return [...denied, ...requests, ...survivedOom(seen), ...stillRunning(facts, context)];
  }
  const [survived, last] = oomsBefore(exited, seen);
  const end = exitSentences(facts, { exited, last }, context);
  return [...survivedOom(survived), ...denied, ...requests, ...recordedSentences(exited), ...end];
}

function failedStart(fact: Fact<"startFailed">): Sentence[] {
  const { code, summary, failed, hint, recoverable } = fact.data;
  const what = withCall(summary, failed);
  const next = recoverable ? "The agent may try again" : "Another attempt would fail, too";
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
  const { reason } = [stop, ...again].find((each) => each?.data.reason !== undefined)?.data ?? {};
  const because = reason === undefined ? "" : `, because ${reason}`;
  const repeated = again.length > 0 ? ` ${again.length + 1} times,` : "";
  const tooLate = ofType(facts, "signalled").find(
    ({ seq, data }) => seq > (stop?.seq ?? seq) && !data.delivered,
  );
  return [
    ...sentence(
      [stop, ...again],
      `The agent requested a stop${repeated} with ${signalName(stop?.data.signal ?? 0)} and a timeout of ${formatDuration(stop?.data.timeoutMs ?? 0)}${because}`,
    ),
    ...stopCommandSentences(facts),
    ...sentence([tooLate], "The signal came too late: it had already ended"),
    ...sentence(
      [timedOut, killed?.data.reason === "stopTimedOut" ? killed : undefined].filter(() => timedOut),
      "It was still running after the timeout, so it was killed",
    ),
    ...waitSentences(killed),
    ...sentence(
      [destroy, killed?.data.reason === "destroyRequested" ? killed : undefined].filter(() => destroy),
      "The agent requested its removal while it was running, so it was killed",
    ),
  ];
}

function stopCommandSentences(facts: readonly Fact[]): Sentence[] {
  return ofType(facts, "stopCommandEnded").flatMap((fact) =>
    sentence([fact], `Its stop command ${describeStopCommand(fact.data)}`),
  );
}

/**
 * Separates earlier OOM kills from the kill that ended the task. The kernel counts a kill before anyone can
 * see the exit, so an `oomSeen` may also report the kill that ended the task.
 */
function oomsBefore({ data }: Fact<"exited">, seen: readonly Fact<"oomSeen">[]) {
  const isLast = (fact: Fact<"oomSeen">) => data.oomKilled && fact.data.kills === data.oom?.kills;
  return [seen.filter((fact) => !isLast(fact)), seen.filter(isLast)] as const;
}

function survivedOom(seen: readonly Fact<"oomSeen">[]): Sentence[] {
  const last = seen.at(-1);
  if (last === undefined) return [];
  const { kills } = last.data;
  const killed = kills === 1 ? "one of its processes" : `${kills} of its processes`;
  const text = `The kernel killed ${killed} for lack of memory${memory(last.data)}, and it went on`;
  return sentence(seen, text);
}

interface Ending {
  readonly exited: Fact<"exited">;
  /** The `oomSeen` events that report the OOM kill that ended the task. */
  readonly last: readonly Fact<"oomSeen">[];
}

function exitSentences(facts: readonly Fact[], { exited, last }: Ending, context: TaskContext): Sentence[] {
  const { oomKilled, oom, source, endedAt, exitCode, signal } = exited.data;
  const cause = knownCause(exited.data.cause);
  const ran = context.startedAt === null ? "" : lasted(endedAt - context.startedAt);
  const [stop] = ofType(facts, "stopRequested");
  const took = stop && ` ${formatDuration(Math.max(0, endedAt - stop.time))} after the request`;
  const end = (text: string) => sentence([exited], `It ${text}`);
  if (source === "unknown") {
    return end("ended, but it is not known how: its init was killed before it could record the end");
  }
  if (oomKilled) {
    const advice = "Raise resources.memory (or memory_max), or make the program use less memory";
    return [
      ...sentence([...last, exited], `The kernel killed it for lack of memory${ran}${memory(oom)}`),
      ...(cause === undefined ? sentence([exited], advice) : []),
    ];
  }
  const trust = source === "taskFile" ? ", according to a file that the task itself could write" : "";
  const lack =
    oom !== null && oom.kills > (context.oom?.kills ?? 0)
      ? sentence([exited], `The kernel killed ${oom.kills} of its processes for lack of memory${memory(oom)}`)
      : [];
  if (signal === 0) {
    const meaning = exitMeaning(exitCode) ?? "the program defines its meaning";
    const how = `ended with exit code ${exitCode}${took === undefined ? ran : `,${took}`}${trust}: ${meaning}`;
    return [
      ...lack,
      ...end(how),
      ...leftSentence(exited),
      ...(exitCode === 0 || stop || cause !== undefined ? [] : withoutCause(facts, context, exited)),
    ];
  }
  const killed = `was killed by ${signalName(signal)}${took ?? ran}${trust}`;
  return [...lack, ...end(`${killed}${cause === undefined ? senderOf(facts, signal) : ""}`)];
}

/** A program that goes on in the background ends with the process that the driver has started. */
function leftSentence(exited: Fact<"exited">): Sentence[] {
  if (!exited.data.leftProcesses) return [];
  const text =
    "Processes of it still ran when its main process had ended, and were killed: a program that shall go on has to stay in the foreground";
  return sentence([exited], text);
}

/** Who sent a signal, if the events show it; otherwise what the signal means. */
function senderOf(facts: readonly Fact[], signal: number): string {
  const sent = ofType(facts, "signalled").some(({ data }) => data.signal === signal && data.delivered);
  const killed = signal === 9 && ofType(facts, "forceKilled").some(({ data }) => data.delivered);
  if (sent || killed) return ", as the agent requested";
  const meaning = signalMeaning(signal);
  return meaning ? `: ${meaning}` : ": the driver did not send that signal; who did is not recorded";
}

/** What is known of a failure without a known cause, and what would tell more of the next one. */
function withoutCause(facts: readonly Fact[], context: TaskContext, exited: Fact<"exited">): Sentence[] {
  const [sandboxed] = ofType(facts, "sandboxed");
  if (sandboxed === undefined) return [];
  const { output, unrecordedDenials } = sandboxed.data;
  const isDenied = context.denials.refusals.some((refusal) => !isProbe(refusal, context));
  const read = output === null ? "it has no log" : "nothing confirms what its output ends with";
  const denied =
    unrecordedDenials === null
      ? "no denial of the sandbox is recorded"
      : `what the sandbox denies was not recorded: ${unrecordedDenials}`;
  const known = sentence(
    [sandboxed],
    `The cause is not known: ${isDenied ? read : `${read}, and ${denied}`}`,
  );
  if (exited.data.blackBox !== undefined) return known;
  return [...known, ...sentence([exited], 'The plugin\'s black_box = "on" records what calls fail with')];
}

function lostSentences(facts: readonly Fact[], lost: Fact<"lost">): Sentence[] {
  const before = facts.filter(({ seq }) => seq < lost.seq).at(-1);
  const known = before && `Its last known event is ${before.type}, at ${formatZonedTime(before.time)}`;
  return [
    ...sentence([before], known ?? ""),
    ...sentence([lost], `It is lost, since ${lost.data.reason}`),
    ...sentence([lost], "How it ended is unknown; the agent starts such a task again"),
  ];
}

function stillRunning(facts: readonly Fact[], { process, startedAt }: TaskContext): Sentence[] {
  const last = facts.at(-1);
  if (process === null || startedAt === null) {
    return sentence([last], "According to its events, it has not started yet");
  }
  const text = `According to its events, it has been running as pid ${process.task.pid} since ${formatZonedTime(startedAt)}`;
  return sentence([last], text);
}

function memory(oom: EventData<"exited">["oom"]): string {
  if (oom === null) return "";
  const { limitBytes, peakBytes } = oom;
  const limit = limitBytes === null ? "no limit for the task itself" : `limit ${formatBytes(limitBytes)}`;
  const peak = peakBytes === null ? "" : `, peak ${formatBytes(peakBytes)}`;
  return ` (${limit}${peak})`;
}

/** A short task can end before the plugin has recorded its start: the span is then negative. */
function lasted(ms: number): string {
  return ms < 1 ? " immediately" : ` after ${formatDuration(ms)}`;
}

/** What an exit code means; undefined if only the program defines it. */
function exitMeaning(code: number): string | undefined {
  const signal = code - SIGNALLED;
  if (code === 0) return "success";
  if (code === NOT_EXECUTABLE) {
    return "the program defines its meaning; a shell returns it for a command that it cannot execute, because permission is missing or it is not a program";
  }
  if (code === NOT_FOUND)
    return "the program defines its meaning; a shell returns it for a command that it does not find";
  if (signal < 1 || signal > 64) return undefined;
  return `the program defines its meaning; a shell returns it if ${signalName(signal)} killed its command (${SIGNALLED} + ${signal})`;
}
