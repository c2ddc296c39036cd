/** Runs attacks on the host, without the driver: there they work, or they would show nothing. Needs root. */
import { execFileSync } from "node:child_process";
import { type Allocation, makeAllocation } from "../agent/allocation.ts";
import { type AttackName, attackNames, attackOutcomes, attackScript, attacks } from "./catalogue.ts";
import { makeTarget } from "./target.ts";

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
  return attackOutcomes(runAs(allocation, attackScript(names, await makeTarget(allocation.user))));
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
