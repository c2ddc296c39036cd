/** What earlier runs of the same task say about a run: loops, and what differs from the last good run. Pure. */
import { resultOf } from "../../machines/taskOutline.ts";
import { formatDuration } from "../../units/durations.ts";
import { formatZonedTime } from "../../units/times.ts";
import { changesSince, endOf, ranMs, taskKey } from "../cause/goodRun.ts";
import type { History } from "../replay/history.ts";
import { basedOn, type Sentence } from "./facts.ts";

/** Earlier runs that are looked at: a run that fails at once may have been tried for days. */
const maxRuns = 50;

/** From this number of equal runs in a row on, they are a loop. */
const minLoop = 3;

/** A run this many times as short as the last good one has ended in another way than by doing its work. */
const muchShorter = 10;

/** Changes that are named. */
const maxChanges = 4;

/**
 * Sentences on a run that is over, from earlier runs.
 * @param earlier histories of earlier runs, the newest first. Those of other tasks are skipped. Read only as far as
 *   needed
 */
export function earlierRunSentences(history: History, earlier: Iterable<History>): Sentence[] {
  const own = history.finalState.context;
  const end = endOf(own);
  if (own.request === null || resultOf(own) === null || end === "good") return [];
  let [count, oldest, isLoop, seen] = [1, history, true, 0];
  for (const run of earlier) {
    const { context } = run.finalState;
    if (taskKey(context) !== taskKey(own) || resultOf(context) === null) continue;
    seen += 1;
    const other = endOf(context);
    isLoop &&= other === end;
    if (isLoop) [count, oldest] = [count + 1, run];
    if (other === "good") return [...loop(history, count, oldest, end), comparison(history, run)];
    if (seen === maxRuns) break;
  }
  return [...loop(history, count, oldest, end), ...recordedChanges(history)];
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
  return [
    basedOn(
      [1],
      `It is the ${ordinal(count)} run in ${span} that the agent stopped soon after its start, this one after ${ran}: a failing check with check_restart, or a template with change_mode = "restart", does this`,
    ),
  ];
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
      ? `Its request and its host are those of its last good run, ${before} before`
      : `Since its last good run, ${before} before: ${named}${more}`;
  return basedOn([1], `${text}${shorter(history, good)}`);
}

function shorter(failed: History, good: History): string {
  const [took, before] = [failed, good].map((run) => ranMs(run.finalState.context));
  if (took === undefined || before === undefined || took * muchShorter > before) return "";
  return `; it ran for ${formatDuration(took)}, the good one for ${formatDuration(before)}`;
}
