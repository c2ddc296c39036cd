/** `policy`: what the observed runs of a job used of its options, and what other options would have refused them. */
import { DriverError } from "../../../base/errors.ts";
import { judgeRuns, type TaskVerdict } from "../../../history/policy/judge.ts";
import type { ObservedRun } from "../../../history/policy/observedRun.ts";
import { policiesOf } from "../../../history/policy/policy.ts";
import { readCandidate } from "../../../localAgent/files/candidateFile.ts";
import { visible } from "../../../units/visible.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { observedRunsOf } from "../../histories/observedRuns.ts";
import { printRows } from "../../terminal/output.ts";
import { policiesText, verdictsText } from "./policyView.ts";

export interface ShowPolicyOptions {
  readonly job: string;
  /** A job file whose options the runs are judged by. */
  readonly candidate: string | undefined;
  readonly json: boolean;
  /** A state folder, a bundle, or a folder of bundles. */
  readonly stateDir: string;
}

/**
 * @returns the exit code: 1 unless nothing that the runs used would be refused by the candidate
 * @throws DriverError `TASK_NOT_FOUND` if no run of the job was observed; `STORE_FAILED`, `BUNDLE_INVALID`; and if the
 *   candidate is no job file
 */
export async function showPolicy({ job, candidate, json, stateDir }: ShowPolicyOptions): Promise<number> {
  const runs = await observedRuns(job, stateDir);
  if (candidate === undefined) {
    const policies = policiesOf(runs);
    printRows("policy", policies, json, (style, width) => policiesText(policies, style, width));
    return 0;
  }
  const verdicts = await verdictsOn(runs, candidate);
  printRows("policy --candidate", verdicts, json, (style, width) => verdictsText(verdicts, style, width));
  return verdicts.every(({ judgement }) => judgement === "allows") ? 0 : 1;
}

async function observedRuns(job: string, path: string): Promise<readonly ObservedRun[]> {
  await using logs = await EventLogs.open(path);
  const runs = observedRunsOf(logs, job);
  if (runs !== undefined && runs.length > 0) return runs;
  const summary =
    runs === undefined
      ? `no run of a job ${visible(job)} is recorded in ${path}`
      : `no run of job ${visible(job)} was observed`;
  throw new DriverError("TASK_NOT_FOUND", summary, {
    hint: 'Set observe = "on" in the plugin block of this driver, or a share of the runs',
  });
}

/** Every task that was observed has a verdict: one that the candidate lacks would not run at all. */
async function verdictsOn(runs: readonly ObservedRun[], path: string): Promise<TaskVerdict[]> {
  const tasks = await readCandidate(path, process.env);
  const groups = Map.groupBy(runs, ({ group, task }) => JSON.stringify([group, task]));
  return [...groups.values()].flatMap((own) => {
    const [run] = own;
    if (run === undefined) return [];
    const { job, group, task } = run;
    const asked = tasks.find((each) => each.job === job && each.group === group && each.task === task);
    if (asked === undefined) {
      const why = "the candidate has no such task";
      return [
        {
          group,
          task,
          judgement: "unclear" as const,
          runs: own.length,
          refused: [],
          unclear: [{ why, runs: own.length }],
        },
      ];
    }
    return [{ group, task, ...judgeRuns(own, asked.options) }];
  });
}
