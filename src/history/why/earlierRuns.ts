/** What earlier runs of the same task say about a run: loops, and what differs from the last good run. Pure. */
import { taskOfRun } from "../../base/taskId.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { resultOf } from "../../machines/taskOutline.ts";
import { formatTimes } from "../../units/counts.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatZonedTime } from "../../units/times.ts";
import { changesSince, endOf, maxRuns, ranMs, soonMs, taskKey } from "../cause/goodRun.ts";
import type { History } from "../replay/history.ts";
import { basedOn, goodRunWords, type Sentence } from "./facts.ts";

/** From this number of equal runs in a row on, they are a loop. */
const minLoop = 3;

/** A run this many times as short as the last good one has ended in another way than by doing its work. */
const muchShorter = 10;

/** Changes that are named. */
const maxChanges = 4;

/**
 * Sentences on a run, from earlier runs.
 * @param earlier histories of earlier runs, the newest first. Those of other tasks are skipped. Read only as far as
 *   needed
 */
export function earlierRunSentences(history: History, earlier: Iterable<History>): Sentence[] {
  const own = history.finalState.context;
  if (own.request === null) return [];
  if (resultOf(own) === null) return restarts(history, earlier);
  const end = endOf(own);
  if (end === "good") return [];
  let [count, oldest, isLoop, seen] = [1, history, true, 0];
  let good: History | undefined;
  for (const run of earlier) {
    const { context } = run.finalState;
    if (taskKey(context) !== taskKey(own) || resultOf(context) === null) continue;
    seen += 1;
    const other = endOf(context);
    if (isOfInstance(context, own)) {
      isLoop &&= other === end;
      if (isLoop) [count, oldest] = [count + 1, run];
    }
    if (other === "good") good ??= run;
    if ((good !== undefined && !isLoop) || seen === maxRuns) break;
  }
  const compared = good === undefined ? recordedChanges(history) : [comparison(history, good)];
  return [...loop(history, count, oldest, end), ...compared];
}

/** Whether two runs of a task are of the same instance of its group. Each instance has runs of its own in a row. */
function isOfInstance({ request: one }: TaskContext, { request: other }: TaskContext): boolean {
  const [index, otherIndex] = [one?.allocIndex ?? null, other?.allocIndex ?? null];
  return index === null || otherIndex === null || index === otherIndex;
}

/** The runs in a row before one that is not over yet which ended badly, or so soon that they were started again. */
function restarts(history: History, earlier: Iterable<History>): Sentence[] {
  const own = history.finalState.context;
  const ends: string[] = [];
  let oldest = history;
  for (const run of earlier) {
    const { context } = run.finalState;
    if (taskKey(context) !== taskKey(own) || !isOfInstance(context, own)) continue;
    if (resultOf(context) === null) continue;
    const end = restartedEnd(run, history);
    if (end === undefined) break;
    ends.push(end);
    oldest = run;
    if (ends.length === maxRuns) break;
  }
  if (ends.length < minLoop) return [];
  const since = begunAt(oldest);
  const span = formatDuration(Math.max(0, begunAt(history) - since));
  const counted = ends.length === maxRuns ? `${maxRuns} or more` : String(ends.length);
  const equal = Map.groupBy(ends, (end) => end);
  const [[common = "", { length }] = ["", []]] = [...equal].sort(
    ([, one], [, other]) => other.length - one.length,
  );
  const often = length === ends.length ? "each of them" : formatTimes(length);
  return [
    basedOn(
      [1],
      `It was restarted: ${counted} runs in a row before it ended badly or within ${formatDuration(soonMs)}, in ${span} since ${formatZonedTime(since)}; the commonest end, ${often}: ${common}`,
    ),
  ];
}

/** How an earlier run ended; undefined for a run that did what it should. */
function restartedEnd(run: History, own: History): string | undefined {
  const { context } = run.finalState;
  const end = endOf(context);
  if (end === "stopped") return "stopped by the agent soon after its start";
  if (end !== "good") return end;
  // A batch job that completes is started again in another allocation.
  const isRestart = taskOfRun(run.stream) === taskOfRun(own.stream);
  return isRestart && (ranMs(context) ?? soonMs) < soonMs ? "completed" : undefined;
}

/** What was found out at the run's end, when its last good run was still in the log. */
function recordedChanges({ events, finalState }: History): Sentence[] {
  const { changes } = finalState.context.exit ?? {};
  const exited = events.find(({ type }) => type === "exited");
  if (changes === undefined || exited === undefined) return [];
  return [basedOn([exited.seq], `Since its last good run: ${changes.join("; ")}`)];
}

function begunAt({ events }: History): number {
  return events[0]?.time ?? 0;
}

function loop(history: History, count: number, oldest: History, end: string): Sentence[] {
  if (count < minLoop) return [];
  const since = begunAt(oldest);
  const span = formatDuration(Math.max(0, (history.events.at(-1)?.time ?? since) - since));
  if (end !== "stopped") {
    return [
      basedOn(
        [1],
        `It is the ${ordinal(count)} run in a row that ended so, in ${span}, since ${formatZonedTime(since)}`,
      ),
    ];
  }
  const ran = formatDuration(ranMs(history.finalState.context) ?? 0);
  const why =
    stopReasonOf(history) ??
    'a failing check with check_restart, or a template with change_mode = "restart", does this';
  return [
    basedOn(
      [1],
      `It is the ${ordinal(count)} run in ${span} that the agent stopped soon after its start, this one after ${ran}: ${why}`,
    ),
  ];
}

/** Why a run was stopped, if whoever stopped it has said it. */
function stopReasonOf(history: History): string | undefined {
  for (const { event } of history.moments()) {
    if (event?.type === "stopRequested" && event.data.reason !== undefined) return event.data.reason;
  }
  return undefined;
}

function ordinal(count: number): string {
  const last = count % 100;
  const ending = last > 10 && last < 14 ? "th" : (["th", "st", "nd", "rd"][count % 10] ?? "th");
  return `${count}${ending}`;
}

function comparison(history: History, good: History): Sentence {
  const before = formatDuration(Math.max(0, begunAt(history) - begunAt(good)));
  const changes = changesSince(good.finalState.context, history.finalState.context);
  const named = changes.slice(0, maxChanges).join("; ");
  const more = changes.length > maxChanges ? `; and ${changes.length - maxChanges} more` : "";
  const text =
    changes.length === 0
      ? `Its request and its host are those of its ${goodRunWords}, ${before} before`
      : `Since its ${goodRunWords}, ${before} before: ${named}${more}`;
  return { ...basedOn([1], `${text}${shorter(history, good)}`), goodRun: good.stream };
}

function shorter(failed: History, good: History): string {
  const [took, before] = [failed, good].map((run) => ranMs(run.finalState.context));
  if (took === undefined || before === undefined || took * muchShorter > before) return "";
  return `; it ran for ${formatDuration(took)}, the good one for ${formatDuration(before)}`;
}
