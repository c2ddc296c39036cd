/** `exposure`: what a task's sandbox leaves open. */

import { parentJob } from "../../../base/jobName.ts";
import { type Exposure, exposureOf } from "../../../history/access/exposure.ts";
import type { SandboxedRun } from "../../../history/access/may.ts";
import { policiesOf } from "../../../history/policy/policy.ts";
import { countOf } from "../../../units/counts.ts";
import { visible } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import { EventLogs, type TaskPlace } from "../../histories/eventLogs.ts";
import { observedRunsOf } from "../../histories/observedRuns.ts";
import { readSandbox } from "../../histories/recordedSandbox.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { type Style, styleFor, widthOf } from "../../terminal/style.ts";

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `SANDBOX_UNKNOWN`, `STORE_FAILED`
 */
export async function showExposure(place: TaskPlace, json: boolean): Promise<number> {
  const { id, run } = await readSandbox(place);
  const exposure = { ...(await unusedOf(run, place)), ...exposureOf(run) };
  const { stdout } = process;
  print(
    json
      ? jsonOf("exposure", { task: id, ...exposure })
      : exposureText(exposure, styleFor(stdout), widthOf(stdout)),
  );
  return 0;
}

/** What the task's options open, and none of its observed runs used. */
interface Unused {
  readonly observedRuns: number;
  /** Such as `unveil r:/srv`. */
  readonly unused: readonly string[];
}

async function unusedOf({ request }: SandboxedRun, place: TaskPlace): Promise<Unused> {
  await using logs = await EventLogs.openFor({ ...place, name: undefined });
  const runs = observedRunsOf(logs, parentJob(request.jobId)) ?? [];
  const policy = policiesOf(runs).find(
    ({ namespace, group, task }) =>
      namespace === request.namespace && group === request.groupName && task === request.taskName,
  );
  const unused = policy?.entries.filter(({ lastAt }) => lastAt === null) ?? [];
  return { observedRuns: policy?.runs ?? 0, unused: unused.map(({ option, entry }) => `${option} ${entry}`) };
}

const indent = "        ";

function exposureText(
  { open, closed, risk, unused, observedRuns }: Exposure & Unused,
  style: Style,
  width: number,
): string {
  const never = `Open, and never used in ${countOf(observedRuns, "observed run")}: ${visible(unused.join(", "))}.`;
  const lines = open.flatMap(({ risk: each, what, meaning }) => [
    `${each.padEnd(indent.length)}${style.bold(visible(what))}`,
    ...wrap(`${visible(meaning)}.`, width - indent.length).map((line) => `${indent}${style.dim(line)}`),
  ]);
  const shut = wrap(`Closed: ${visible(closed.join("; "))}.`, width);
  const sum = risk === null ? "Nothing is open." : `Highest risk: ${risk}.`;
  return [
    ...(unused.length === 0 ? [] : [...wrap(never, width).map(style.yellow), ""]),
    ...lines,
    ...(open.length === 0 ? [] : [""]),
    ...shut,
    sum,
  ].join("\n");
}
