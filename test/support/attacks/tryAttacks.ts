/** Runs attacks in a task. */
import type { PluginConnection } from "../../../src/grpc/pluginClient.ts";
import { collectsLogs } from "../../../src/localAgent/plugin/clientRules.ts";
import { runTask } from "../agent/agent.ts";
import type { Allocation, Differing } from "../agent/allocation.ts";
import { readLog } from "../agent/logReader.ts";
import type { Journal } from "../host/journal.ts";
import { until } from "../host/until.ts";
import { type AttackName, attackOutcomes, attackScript, type Target } from "./catalogue.ts";

/**
 * @param options the task's options in addition to its command
 * @param journal where the task's output goes, if it does not go to log files
 * @param differing changes to the config that an agent would send
 * @returns for each attack: `worked`, or the reason why not
 */
export async function tryAttacks(
  agent: PluginConnection,
  allocation: Allocation,
  options: Readonly<Record<string, unknown>>,
  names: readonly AttackName[],
  target: Target,
  differing: Differing = {},
  journal?: Journal,
): Promise<ReadonlyMap<AttackName, string>> {
  const args = ["-e", attackScript(names, target)];
  const result = await runTask(agent, allocation.config({ command: "perl", args, ...options }, differing));
  if (journal) return await outcomesIn(journal, allocation, names);
  const { capabilities } = await agent.driver.capabilities({});
  const isCollected = capabilities === undefined || collectsLogs(capabilities);
  const place = { folder: `${allocation.folder}/alloc/logs`, task: allocation.taskName };
  const textOf = async (stream: "stdout" | "stderr") =>
    isCollected ? await allocation[stream].text() : `${readLog({ ...place, stream })}`;
  const outcomes = attackOutcomes(await textOf("stdout"));
  const missing = names.filter((name) => !outcomes.has(name));
  if (missing.length > 0) {
    const errors = await textOf("stderr");
    throw new Error(`no outcome of ${missing.join(", ")}: ${JSON.stringify(result)} ${errors}`);
  }
  return outcomes;
}

/** Journald takes lines after the task has ended. */
async function outcomesIn(journal: Journal, { cgroup }: Allocation, names: readonly AttackName[]) {
  const unit = cgroup.path.slice(cgroup.path.lastIndexOf("/") + 1);
  let outcomes: ReadonlyMap<AttackName, string> = new Map();
  await until(
    () => {
      outcomes = attackOutcomes(journal.messages(`_SYSTEMD_UNIT=${unit}`).join("\n"));
      return names.every((name) => outcomes.has(name));
    },
    () => `the journal has the outcome of ${names.filter((name) => !outcomes.has(name)).join(", ")}`,
  );
  return outcomes;
}
