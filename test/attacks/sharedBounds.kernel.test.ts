/** The host has one number of terminals and of asynchronous requests for all tasks. */
import { beforeAll, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import type { AttackName } from "../support/attacks/catalogue.ts";
import { makeTarget } from "../support/attacks/target.ts";
import { tryAttacks } from "../support/attacks/tryAttacks.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({
    options: { allow_host_root: true, allow_seccomp: ["@aio"], unveil_allowed: ["rw:/dev/ptmx"] },
  });
});

async function outcome(
  attack: AttackName,
  options: Readonly<Record<string, unknown>> = {},
): Promise<string | undefined> {
  const allocation = makeAllocation();
  const target = await makeTarget(allocation.user);
  return (await tryAttacks(agent, allocation, options, [attack], target)).get(attack);
}

it("a task takes a few terminals, and not all of the host's", async () => {
  const attack = "takes more than its share of terminals";
  expect(await outcome(attack, { root: "host", unveil: ["rw:/dev/ptmx"] })).toBe("worked");
  expect(await outcome(attack)).toBe("No space left on device");
});

it("a task takes none of the host's requests for asynchronous input and output", async () => {
  const attack = "takes requests for asynchronous input and output";
  expect(await outcome(attack, { seccomp_allow: ["@aio"] })).toBe("worked");
  expect(await outcome(attack)).toBe("Function not implemented");
});
