/**
 * All attacks under every two options of the operator, as test/attacks/combinations.kernel.test.ts, on a host with
 * real controllers, and whose root has every capability. Without TEST_LONG, under a sixth of them.
 */
import assert from "node:assert/strict";
import type { Allocation } from "../../support/agent/allocation.ts";
import { combinations, groupsOf, unexplainedUnder } from "../../support/attacks/combinations.ts";
import { everyNth } from "../../support/rounds.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { startVmAgent } from "../support/vmAgent.ts";

/** A whole core: with the few MHz of other tests, a real controller would let the attacks take minutes. */
const place = { slice: shareSlice, resources: (allocation: Allocation) => resourcesOf(allocation, {}) };

/** On two quiet cores, a combination takes five seconds. */
const limitFor = (count: number) => 120_000 + count * 60_000;

describe("attacks break only through what an exception opens", () => {
  for (const group of everyNth(6, groupsOf(combinations("every capability")))) {
    test(
      group.name,
      async () => {
        const agent = await startVmAgent(group.options);
        assert.deepEqual(await unexplainedUnder(agent, group, place), {});
        await agent.close();
      },
      limitFor(group.members.length),
    );
  }
});
