import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { runTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { cgroupFile } from "../support/cgroupFiles.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { sharedAgent } from "../support/vmAgent.ts";

const pool = "/proc/sys/vm/nr_hugepages";

/** Reserves 2 MiB, and then 4 MiB: mmap(2) of x86-64 with MAP_HUGETLB. Its exit code says which of them failed. */
const reserving = `my @refused = map { syscall(9, 0, $_ << 20, 3, 0x40022, -1, 0) == -1 ? 1 : 0 } (2, 4);
  exit($refused[0] + 2 * $refused[1]);`;

describe("huge pages", () => {
  test("a task reserves as many huge pages as its limit allows, and no more", async () => {
    const before = readFileSync(pool, "utf8");
    writeFileSync(pool, "8");
    onTestFinished(() => writeFileSync(pool, before));
    assert.equal(readFileSync(pool, "utf8").trim(), "8");
    for (const [limit, exitCode] of [
      [2, 2],
      [6, 0],
      [0, 3],
    ] as const) {
      const allocation = makeAllocation({ slice: shareSlice });
      const command = { command: "perl", args: ["-e", reserving], hugepages: { "2MB": limit } };
      const config = allocation.config(command, { resources: resourcesOf(allocation, {}) });
      const result = await runTask(await sharedAgent(), config);
      assert.equal(result.exitCode, exitCode, `with ${limit} MiB`);
      assert.equal(cgroupFile(allocation.cgroup.path, "hugetlb.2MB.max"), String(limit << 20));
    }
  });
});
