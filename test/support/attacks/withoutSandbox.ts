/** Runs attacks on the host, without the driver: there they work, or they would show nothing. Needs root. */
import { execFileSync } from "node:child_process";
import { startAgent } from "../agent/agent.ts";
import { type Allocation, makeAllocation } from "../agent/allocation.ts";
import {
  type AttackName,
  attackNames,
  attackOutcomes,
  attackScript,
  attacks,
  metricsPlaces,
} from "./catalogue.ts";
import { eventLogOf, makeTarget } from "./target.ts";

/**
 * Tries all attacks as a dynamic user, and as root those that have not worked.
 * @returns for each attack: `worked`, or the reason why not
 */
export async function outcomesWithoutSandbox(): Promise<ReadonlyMap<AttackName, string>> {
  const asUser = await outcomesAs(makeAllocation(), attackNames);
  const others = attackNames.filter((name) => asUser.get(name) !== "worked" && !attacks[name].affectsUser);
  const asRoot = await outcomesAs(makeAllocation({ user: { name: "root", uid: 0, gid: 0 } }), others);
  return new Map([...asUser, ...asRoot]);
}

async function outcomesAs(
  allocation: Allocation,
  names: readonly AttackName[],
): Promise<ReadonlyMap<AttackName, string>> {
  const start = (metrics: string) => startAgent({ options: { metrics } });
  const agents = [await start(`127.0.0.1:${metricsPlaces.port}`), await start(metricsPlaces.socket)] as const;
  const target = { ...(await makeTarget(allocation.user)), eventLog: eventLogOf(agents[0]) };
  const outcomes = attackOutcomes(runAs(allocation, attackScript(names, target)));
  for (const agent of agents) await agent.close();
  return outcomes;
}

/** Runs a Perl script as the allocation's user, with the host's files. Its mounts end with it. */
function runAs({ user, env }: Allocation, script: string): string {
  const asUser =
    user.uid === 0 ? [] : ["setpriv", "--reuid", `${user.uid}`, "--regid", `${user.gid}`, "--clear-groups"];
  return execFileSync("unshare", ["--mount", ...asUser, "perl", "-e", script], {
    ...{ env: { ...env }, cwd: "/", encoding: "utf8" },
    stdio: ["ignore", "pipe", "inherit"],
  });
}
