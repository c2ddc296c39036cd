/** Runs attacks in a task. */
import type { PluginConnection } from "../../../src/grpc/pluginClient.ts";
import { collectsLogs } from "../../../src/localAgent/plugin/clientRules.ts";
import { runTask } from "../agent/agent.ts";
import type { Allocation, Differing } from "../agent/allocation.ts";
import { readLog } from "../agent/logReader.ts";
import { type AttackName, attackOutcomes, attackScript, type Target } from "./catalogue.ts";

/**
 * @param options the task's options in addition to its command
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
): Promise<ReadonlyMap<AttackName, string>> {
  const args = ["-e", attackScript(names, target)];
  const result = await runTask(agent, allocation.config({ command: "perl", args, ...options }, differing));
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
