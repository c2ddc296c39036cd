/** `replay --policy FILE`: shows what recorded runs would have been refused under another policy. */

import { shortNameOf, toTaskId } from "../../../base/taskId.ts";
import { requestedOptions } from "../../../driver/history/startEvents.ts";
import { ownPlaces } from "../../../effects/verdicts.ts";
import { type AskedPolicy, isUnchanged, judge, type PolicyVerdict } from "../../../history/policyVerdict.ts";
import { readHistory } from "../../../history/replay/storedHistory.ts";
import { isJob, pluginOptionsOf, taskOptionsIn } from "../../../localAgent/files/checkFile.ts";
import { hostAccess } from "../../../localAgent/files/hostAccess.ts";
import { pluginOptionsIn, readPluginConfig } from "../../../localAgent/files/pluginConfig.ts";
import { readTextFile } from "../../../localAgent/files/textFile.ts";
import { jobFile } from "../../../localAgent/jobspec/jobFile.ts";
import type { TaskContext } from "../../../machines/taskContext.ts";
import { formatCount } from "../../../units/counts.ts";
import { visible } from "../../../units/visible.ts";
import { EventLogs, type TaskPlace } from "../../histories/eventLogs.ts";
import { foldReadable } from "../../histories/readHistory.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { variablesOf } from "../run/readJobFile.ts";

export interface PolicyOptions {
  /** The place of the task; without a name, all tasks. */
  readonly place: TaskPlace;
  /** A file of the plugin's options, or a job file. */
  readonly file: string;
  readonly json: boolean;
}

/**
 * @returns the exit code: 0 if the policy would change no run, otherwise 1
 * @throws DriverError if the file or a log cannot be read
 */
export async function replayPolicy({ place, file, json }: PolicyOptions): Promise<number> {
  const policyFor = await readPolicy(file);
  await using logs = await EventLogs.openFor(place);
  const found = place.name === undefined ? logs.tasks() : [logs.find(place)];
  const runs = found.flatMap(({ id, reader }) => {
    const { context } = foldReadable(readHistory(reader, id));
    const verdict = verdictOn(context, policyFor);
    return verdict === undefined ? [] : [{ id, context, verdict }];
  });
  if (json) for (const { id, verdict } of runs) print(jsonOf("replay --policy", { task: id, ...verdict }));
  else print(reportOf(runs, file));
  return runs.every(({ verdict }) => isUnchanged(verdict)) ? 0 : 1;
}

/** Returns the policy for a run; undefined if the file does not apply to the run. */
type PolicyFor = (request: NonNullable<TaskContext["request"]>) => AskedPolicy | undefined;

/** Reads a file of the plugin's options, or a job file. A job file applies only to runs of its own tasks. */
async function readPolicy(path: string): Promise<PolicyFor> {
  const file = jobFile(path, await readTextFile(path, "CONFIG_INVALID", "policy"), {
    host: hostAccess(path),
  });
  if (!isJob(file)) {
    const { state_dir: _, ...pluginConfig } = (await pluginOptionsIn(file)) ?? {};
    const plugin = pluginOptionsOf({ pluginConfig, stateDir: "/" });
    return () => ({ kind: "plugin", plugin });
  }
  const plugin = pluginOptionsOf(await readPluginConfig(undefined));
  const tasks = await taskOptionsIn(file, variablesOf({ variables: {} }), plugin);
  return ({ jobId, groupName, taskName }) => {
    const task = tasks.find(
      (each) => each.job === jobId && each.group === groupName && each.task === taskName,
    )?.options;
    return task && { kind: "task", plugin, task };
  };
}

function verdictOn(
  { request, sandbox, denials, names }: TaskContext,
  policyFor: PolicyFor,
): PolicyVerdict | undefined {
  const policy = request === null ? undefined : policyFor(request);
  if (request === null || policy === undefined) return undefined;
  const run = {
    options: requestedOptions(request),
    sandbox: sandbox ?? undefined,
    denials: denials.refusals,
    own: ownPlaces({ request, sandbox }),
    names: new Map(
      names.map(({ name, addresses, former }) => [
        name,
        [...addresses, ...former.map(({ address }) => address)],
      ]),
    ),
  };
  return judge(run, policy);
}

interface JudgedRun {
  readonly id: string;
  readonly context: TaskContext;
  readonly verdict: PolicyVerdict;
}

function reportOf(runs: readonly JudgedRun[], file: string): string {
  const groups = Map.groupBy(runs, ({ context, verdict }) =>
    JSON.stringify([context.request?.jobId, context.request?.taskName, verdict]),
  );
  const lines = [...groups.values()].flatMap((same) => {
    const [{ id, verdict }] = same as [JudgedRun];
    const texts = textsOf(verdict);
    const more = same.length === 1 ? "" : `, and ${formatCount(same.length - 1)} more alike`;
    return texts.length === 0
      ? []
      : [`${shortNameOf(toTaskId(id))}${more}:`, ...texts.map((text) => `  ${text}`)];
  });
  const changed = runs.filter(({ verdict }) => !isUnchanged(verdict)).length;
  const summary =
    changed === 0
      ? `Under ${file}, all ${formatCount(runs.length)} runs would have been the same.`
      : `Under ${file}, ${formatCount(changed)} of ${formatCount(runs.length)} runs would have been different.`;
  return [...lines, summary].map((line) => visible(line)).join("\n");
}

function textsOf({ refused, above, lost, stillDenied, allowed }: PolicyVerdict): string[] {
  const list = (text: string, items: readonly string[]) =>
    items.length === 0 ? [] : [`${text}: ${items.join(", ")}`];
  return [
    ...refused.map((why) => `its start would be refused: ${why}`),
    ...above.map(
      (why) =>
        `its start would be refused if the job sets this option; otherwise the value would be limited: ${why}`,
    ),
    ...list("it would not have", lost),
    ...list("it would still be denied", stillDenied),
    ...list("it would not be denied any more", allowed),
  ];
}
