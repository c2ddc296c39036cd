/** What `why --prove` has to go by: a failed run as it is recorded, and the last good run before it. */
import { DriverError } from "../../base/errors.ts";
import { lastGoodRun } from "../../history/cause/goodRun.ts";
import { isPlain, type Proof, proofOf } from "../../history/prove/trials.ts";
import type { Job, Task } from "../../localAgent/jobspec/job.ts";
import { recordedTaskIn, scratchJob } from "../../localAgent/task/scratchJob.ts";
import { MASK } from "../../machines/events/defineEvent.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { resultOf } from "../../machines/taskOutline.ts";
import { isLocal } from "../../store/folder/logFolders.ts";
import { isShortened } from "../../units/longLists.ts";
import { EventLogs, type TaskPlace } from "./eventLogs.ts";

export type Failed = TaskContext & { readonly request: NonNullable<TaskContext["request"]> };

export interface RecordedRuns {
  readonly id: string;
  readonly failed: Failed;
  readonly good: TaskContext | undefined;
}

/**
 * Whether `why --prove` has something to try for a run. Never rejects for a run that cannot be proven.
 * @param job of the run
 */
export async function hasTrial(place: TaskPlace, job: Job): Promise<boolean> {
  try {
    const runs = await recordedRuns(place, { hasPluginBlock: false });
    const { failed } = runs;
    const { trials } = proofFor(runs, recordedTaskIn(job, failed.request).task);
    for (const { setup } of trials) scratchJob(job, failed.request, setup, { network: false, isPlain });
    return trials.length > 0;
  } catch (thrown) {
    if (thrown instanceof DriverError) return false;
    throw thrown;
  }
}

/** @param task of the job file */
export function proofFor({ failed, good }: RecordedRuns, task: Task): Proof {
  const given = Object.keys(task.env);
  return proofOf(failed.request, failed.exit?.cause, good?.request ?? undefined, given);
}

/**
 * @param hasPluginBlock whether the plugin block of a client is given
 * @throws DriverError `PROOF_IMPOSSIBLE`, `TASK_NOT_FOUND`, `STORE_FAILED`
 */
export async function recordedRuns(
  place: TaskPlace,
  { hasPluginBlock }: { readonly hasPluginBlock: boolean },
): Promise<RecordedRuns> {
  await using logs = await EventLogs.openFor(place);
  const { history } = logs.history(place, true);
  const folder = logs.stateFolderOf(logs.find(place));
  const { context } = history.finalState;
  const { stream: id } = history;
  const { request } = context;
  const hint = "Choose a failed run with --run";
  if (request === null)
    throw new DriverError("PROOF_IMPOSSIBLE", `no request is recorded for ${id}`, { hint });
  const result = resultOf(context);
  if (result === null || result === "completed" || result === "stopped" || result === "lost") {
    const end = result === null ? "is not over" : result === "lost" ? "is lost" : `has not failed: ${result}`;
    throw new DriverError("PROOF_IMPOSSIBLE", `${id} ${end}`, { hint });
  }
  // A trial must have no right that the client had refused to the run.
  if (!hasPluginBlock && (folder === undefined || !isLocal(folder))) {
    const which = folder === undefined ? "a bundle does not tell" : "an agent's run is recorded without";
    throw new DriverError("PROOF_IMPOSSIBLE", `${which} the plugin block that restricted ${id}`, {
      hint: "Give the client's plugin block with --plugin-config",
    });
  }
  // The text that stands for the rest looks as if it were masked.
  if (isShortened(request.options.args)) {
    throw new DriverError(
      "PROOF_IMPOSSIBLE",
      `the arguments of ${id} are too long to be recorded as a whole`,
    );
  }
  if (JSON.stringify(request.options).includes(MASK)) {
    throw new DriverError("PROOF_IMPOSSIBLE", `the arguments of ${id} are masked`, {
      hint: "Use the event log of the host, or a bundle of export --show-args",
    });
  }
  return { id, failed: { ...context, request }, good: lastGoodRun(context, logs.earlierRuns(place)) };
}
