/**
 * open_by_handle_at(2) opens a file of any mounted file system by its inode, around Landlock and around the
 * private root. The kernel only requires CAP_DAC_READ_SEARCH.
 */
import { expect, it } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { makeTarget } from "../support/attacks/target.ts";
import { tryAttacks } from "../support/attacks/tryAttacks.ts";

const byHandle = "reads root's file by its handle";

it("a task with dac_read_search reads every file by its handle, if the filter's group is lifted", async () => {
  const agent = await startAgent({
    options: { allow_caps: ["dac_read_search"], allow_seccomp: ["@handle"] },
  });
  const outcome = async (options: Readonly<Record<string, unknown>>) => {
    const allocation = makeAllocation();
    const target = await makeTarget(allocation.user);
    const capable = { cap_add: ["dac_read_search"], ...options };
    return (await tryAttacks(agent, allocation, capable, [byHandle], target)).get(byHandle);
  };
  expect(await outcome({ seccomp_allow: ["@handle"] })).toBe("worked");
  expect(await outcome({})).toBe("Operation not permitted");
});
