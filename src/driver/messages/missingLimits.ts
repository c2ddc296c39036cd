/**
 * Finds out whether an allocation's missing limits were announced before, possibly by an earlier plugin
 * process: reads it from the event log.
 */
import { partsOfTaskId, type TaskId } from "../../taskId.ts";
import { beginningOf, type Log } from "../history/runBeginning.ts";
import { lacksLimits } from "./taskMessages.ts";

/**
 * Maximum number of other runs of the allocation to read. Each takes some 50 µs, and usually the first one
 * decides.
 */
const maxRuns = 50;

/**
 * Whether a run is the first of its allocation that started without all of its limits. If several such runs
 * started at the same time, the one whose start comes first in the log counts as the first.
 * @param taskId of a run that started without some of its limits
 * @returns true if the log cannot be read; false if it has more runs than {@link maxRuns}
 */
export function isFirstWithoutLimits(taskId: TaskId, log: Log): boolean {
  const parts = partsOfTaskId(taskId);
  if (parts === undefined) return true;
  try {
    const own = startedWithoutLimits(taskId, log) ?? Number.POSITIVE_INFINITY;
    let read = 0;
    for (const { stream } of log.streams(`${parts.allocId}/`)) {
      if (stream === taskId) continue;
      read += 1;
      const other = startedWithoutLimits(stream, log);
      if (read > maxRuns || (other !== undefined && other < own)) return false;
    }
    return true;
  } catch {
    return true;
  }
}

/** Position of a run's `started` event, if limits were missing then. */
function startedWithoutLimits(stream: string, log: Log): number | undefined {
  let lacking = false;
  for (const { type, data, position } of beginningOf(stream, log)) {
    if (type === "sandboxed") lacking = lacksLimits(data);
    if (type === "started") return lacking ? position : undefined;
  }
  return undefined;
}
