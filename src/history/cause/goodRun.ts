/** A failed run beside a good one of the same task: how a run ended, and what has changed in between. Pure. */
import { causeText, knownCause } from "../../machines/events/cause.ts";
import { MASK } from "../../machines/events/defineEvent.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { resultOf, shortResult } from "../../machines/taskOutline.ts";
import type { Change } from "../replay/contextDiff.ts";
import type { History } from "../replay/history.ts";
import { shownChange, shownChanges } from "../replay/historyDiff.ts";
import { wordsOf } from "../replay/normalize.ts";

/** A service that is stopped, or started again, within this time after its start has not worked. */
export const soonMs = 60_000;

/** What all runs of a task have in common; undefined for a run that no agent requested. */
export function taskKey({ request }: Pick<TaskContext, "request">): string | undefined {
  if (request === null) return undefined;
  const { namespace, jobId, groupName, taskName } = request;
  return JSON.stringify([namespace, jobId, groupName, taskName]);
}

/**
 * How a run ended, so that equal ends are equal texts: `good` if it completed, or was stopped after it had run for a
 * while; `stopped` if it was stopped soon after its start.
 */
export function endOf(context: TaskContext): string {
  const result = resultOf(context);
  if (result === "completed") return "good";
  if (result === "stopped") return (ranMs(context) ?? 0) < soonMs ? "stopped" : "good";
  const known = knownCause(context.exit?.cause);
  if (known !== undefined) return causeText(known);
  return context.failure?.code ?? shortResult(context);
}

/** Earlier runs that are looked at: a run that fails at once may have been tried for days. */
export const maxRuns = 50;

/**
 * The last good run of the same task.
 * @param earlier histories of earlier runs, the newest first. Those of other tasks are skipped. Read only as far as
 *   needed
 */
export function lastGoodRun(own: TaskContext, earlier: Iterable<History>): TaskContext | undefined {
  let seen = 0;
  for (const { finalState } of earlier) {
    const { context } = finalState;
    if (taskKey(context) !== taskKey(own) || resultOf(context) === null) continue;
    if (endOf(context) === "good") return context;
    seen += 1;
    if (seen === maxRuns) return undefined;
  }
  return undefined;
}

/** How long a run took, in milliseconds; undefined if that is not known. */
export function ranMs({ exit, startedAt }: TaskContext): number | undefined {
  return exit === null || startedAt === null ? undefined : Math.max(0, exit.endedAt - startedAt);
}

/** What of the request, the host, the unveiled paths and the program has changed, in words. */
export function changesSince(good: TaskContext, failed: TaskContext): string[] {
  const words = { left: wordsIn(good), right: wordsIn(failed) };
  const changesOf = (type: string, left: unknown, right: unknown) =>
    left == null || right == null ? [] : shownChanges(type, left, right, words);
  const unveiled = ({ sandbox }: TaskContext) => sandbox && { unveiled: sandbox.unveiled };
  const changed = [
    ...changesOf("requested", good.request, failed.request).flatMap(wordsFor),
    ...changesOf("fingerprinted", good.host, failed.host).flatMap(wordsFor),
    ...changesOf("sandboxed", unveiled(good), unveiled(failed)).flatMap(wordsFor),
    ...programChange(good, failed),
  ];
  return [...new Set(changed)];
}

function wordsIn({ request }: TaskContext) {
  return request === null ? [] : wordsOf(request);
}

function programChange({ exit: good }: TaskContext, { exit: failed, sandbox }: TaskContext): string[] {
  const [before, now] = [good?.program, failed?.program];
  if (before === undefined || now === undefined) return [];
  const isSame = before.bytes === now.bytes && before.digest === now.digest;
  return isSame ? [] : [`the program ${sandbox?.command ?? ""} has changed (digest)`];
}

function wordsFor(change: Change): string[] {
  const [field = ""] = change.path;
  if (field === "envKeys") {
    if (change.after === undefined) return [`variable ${String(change.before)} is missing`];
    return [`variable ${String(change.after)} is new`];
  }
  if (field === "unveiled") {
    const [entry, what] =
      change.after === undefined ? [change.before, "is no longer unveiled"] : [change.after, "is unveiled"];
    return isEntry(entry) ? [`${entry.mode}:${entry.path} ${what}`] : [];
  }
  const { path, left, right } = shownChange(change);
  if (left === MASK || right === MASK) return [`${path} differs`];
  const [before, after] = [left, right].map((value) =>
    typeof value === "string" ? value : JSON.stringify(value),
  );
  if (right === null) return [`${path} no longer has ${before}`];
  return [left === null ? `${path} has ${after}` : `${path} ${before} → ${after}`];
}

function isEntry(value: unknown): value is { readonly path: string; readonly mode: string } {
  return typeof value === "object" && value !== null && "path" in value && "mode" in value;
}
