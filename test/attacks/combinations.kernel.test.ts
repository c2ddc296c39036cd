/** All attacks under every option of the operator, and under every two of them. */
import { describe, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent/agent.ts";
import { type AttackName, attackNames, attacks } from "../support/attacks/catalogue.ts";
import {
  combinations,
  openedBy,
  pluginOptions,
  unexplained,
  workingAttacks,
} from "../support/attacks/combinations.ts";
import { outcomesWithoutSandbox } from "../support/attacks/withoutSandbox.ts";

const agents = new Map<string, Promise<Agent>>();
const worked = new Set<AttackName>();

function agentWith(options: Readonly<Record<string, unknown>>): Promise<Agent> {
  const key = JSON.stringify(options);
  const agent = agents.get(key) ?? startAgent({ options });
  agents.set(key, agent);
  return agent;
}

describe("under", () => {
  it.each(combinations().map((each) => [each.name, each] as const))(
    "%s, attacks break only through what an exception opens",
    async (_, combination) => {
      const found = await workingAttacks(await agentWith(pluginOptions(combination)), combination);
      for (const name of found) worked.add(name);
      expect(unexplained(combination, found)).toEqual([]);
    },
  );

  it("some combination, each boundary is broken, so the attacks are real", () => {
    const broken = new Set([...worked].map((name) => attacks[name].boundary));
    expect([...broken].sort()).toEqual(
      [...new Set(combinations().flatMap((each) => [...openedBy(each)]))].sort(),
    );
  });
});

it("without a sandbox, every attack works, so that its failure shows a protection", async () => {
  const outcomes = await outcomesWithoutSandbox();
  // A kernel may lack a call.
  const failed = [...outcomes].filter(([, why]) => why !== "worked" && why !== "Function not implemented");
  expect(Object.fromEntries(failed)).toEqual({});
  expect([...outcomes.keys()].sort()).toEqual(attackNames.toSorted());
});
