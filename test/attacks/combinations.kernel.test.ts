/** All attacks under every option of the operator, and under every two of them. */
import { describe, expect, it } from "vitest";
import { exceptions } from "../../src/effects/exceptions.ts";
import { pluginShape, type SandboxOptions } from "../../src/effects/parts.ts";
import { type Agent, startAgent } from "../support/agent/agent.ts";
import { type AttackName, attackNames, attacks } from "../support/attacks/catalogue.ts";
import {
  combinations,
  openedBy,
  pluginOptions,
  unexplained,
  workingAttacks,
} from "../support/attacks/combinations.ts";
import { closing, factors, permissive } from "../support/attacks/options.ts";
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

describe("each option of the plugin", () => {
  const snake = (key: string) => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const tried = new Set([
    ...Object.keys(permissive),
    ...Object.values(factors)
      .flatMap((levels) => Object.values(levels))
      .flatMap(({ plugin }) => Object.keys(plugin ?? {})),
  ]);

  it("is tried, or has a reason why it opens nothing", () => {
    const left = Object.keys(pluginShape()).filter((key) => !tried.has(snake(key)) && !(key in closing));
    expect(left).toEqual([]);
  });

  it("that is an exception is tried", () => {
    const keys = Object.keys(exceptions) as (keyof SandboxOptions)[];
    const levels = Object.values(factors).flatMap((each) => Object.values(each));
    expect(new Set(levels.flatMap(({ exception }) => exception ?? []))).toEqual(new Set(keys));
  });
});
