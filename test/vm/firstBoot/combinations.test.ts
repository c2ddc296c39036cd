/**
 * All attacks under every option of the operator, and under every two of them: as
 * test/attacks/combinations.kernel.test.ts, on a host whose root has every capability.
 */
import assert from "node:assert/strict";
import {
  combinations,
  pluginOptions,
  unexplained,
  workingAttacks,
} from "../../support/attacks/combinations.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, test } from "../support/runner.ts";
import { startVmAgent, type VmAgent } from "../support/vmAgent.ts";

const agents = new Map<string, Promise<VmAgent>>();

function agentWith(options: Readonly<Record<string, unknown>>): Promise<VmAgent> {
  const key = JSON.stringify(options);
  const agent = agents.get(key) ?? startVmAgent(options);
  agents.set(key, agent);
  return agent;
}

describe("attacks break only through what an exception opens", () => {
  for (const combination of combinations("every capability")) {
    test(combination.name, async () => {
      const agent = await agentWith(pluginOptions(combination));
      const worked = await workingAttacks(agent, combination, { slice: shareSlice });
      assert.deepEqual(unexplained(combination, worked), []);
    });
  }
});
