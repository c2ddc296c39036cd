/** The observed runs of a job in open logs. */
import { parentJob } from "../../base/jobName.ts";
import { type ObservedRun, observedRun } from "../../history/policy/observedRun.ts";
import { readHistory } from "../../history/replay/storedHistory.ts";
import { type EventLogs, jobIn } from "./eventLogs.ts";
import { foldReadable } from "./readHistory.ts";

/** Undefined if the logs have no run of the job. @param job its name; periodic and dispatched jobs are part of it */
export function observedRunsOf(logs: EventLogs, job: string): readonly ObservedRun[] | undefined {
  let isKnown = false;
  const runs = logs.tasks().flatMap(({ id, reader }) => {
    const [first] = readHistory(reader, id, 1, 1);
    if (parentJob((first && jobIn(first)) ?? "") !== job) return [];
    isKnown = true;
    const events = readHistory(reader, id);
    return observedRun(foldReadable(events).context, events) ?? [];
  });
  return isKnown ? runs : undefined;
}
