/** All attacks under every option of the operator, and under every two of them. */
import { describe, expect, it, onTestFinished } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { type AttackName, attackNames, attacks } from "../support/attacks/catalogue.ts";
import {
  combinations,
  groupsOf,
  openedBy,
  triedUnder,
  unexplained,
} from "../support/attacks/combinations.ts";
import { outcomesWithoutSandbox } from "../support/attacks/withoutSandbox.ts";

const worked = new Set<AttackName>();

describe("under", () => {
  it.each(groupsOf(combinations()).map((each) => [each.name, each] as const))(
    "%s, attacks break only through what an exception opens",
    async (_, group) => {
      const agent = await startAgent({ options: group.options });
      // The next one serves metrics at the same place.
      onTestFinished(async () => void (await agent.close()));
      for (const [combination, found] of await triedUnder(agent, group)) {
        for (const name of found) worked.add(name);
        expect({ [combination.name]: unexplained(combination, found) }).toEqual({ [combination.name]: [] });
      }
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
