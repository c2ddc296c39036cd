/** Whether an allocation has been told of limits that the host cannot enforce: by the log, so that it outlives the plugin. */
import { partsOfTaskId } from "../../taskId.ts";
import { beginningOf, type Log } from "../start/runBeginning.ts";
import { lacksLimits } from "./taskMessages.ts";

/** Other runs of the allocation that are looked at: some 50 µs each, and mostly the first one tells. */
const maxRuns = 50;

/**
 * Whether a run is the first of its allocation that was started without limits.
 * Of two that were started at once it is the one that comes first in the log.
 * @param taskId of a run that was started without some of its limits
 * @returns true where the log cannot tell; false where it has more runs than can be looked at
 */
export function isFirstWithoutLimits(taskId: string, log: Log): boolean {
  const parts = partsOfTaskId(taskId);
  if (parts === undefined) return true;
  try {
    const own = startedWithoutLimits(taskId, log) ?? Number.POSITIVE_INFINITY;
    let looks = 0;
    for (const { stream } of log.streams(`${parts.allocId}/`)) {
      if (stream === taskId) continue;
      looks += 1;
      const other = startedWithoutLimits(stream, log);
      if (looks > maxRuns || (other !== undefined && other < own)) return false;
    }
    return true;
  } catch {
    return true;
  }
}

/** Position of a run's `started` where limits were lacking then. */
function startedWithoutLimits(stream: string, log: Log): number | undefined {
  let lacking = false;
  for (const { type, data, position } of beginningOf(stream, log)) {
    if (type === "sandboxed") lacking = lacksLimits(data);
    if (type === "started") return lacking ? position : undefined;
  }
  return undefined;
}
