import { expect, test } from "vitest";
import { planNumaMemory } from "../../../src/effects/cgroup/nodeCores.ts";

test("numa_memory needs reserved cores, because a task without them has no node of its own", () => {
  expect(() => planNumaMemory("")).toThrow(/needs cores that are reserved/);
});

test("cores that the host does not have belong to no node with memory", () => {
  try {
    // A kernel without NUMA has nothing to choose from.
    expect(planNumaMemory("65000")).toEqual([]);
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "CGROUP_UNSUPPORTED" });
  }
});
