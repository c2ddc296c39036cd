/** The calls that a client makes around the life of a task whose options need controllers. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { liveAsClientCalls, servingScript } from "../../support/agent/clientLife.ts";
import { cgroupFile } from "../support/cgroupFiles.ts";
import { diskFolder, reserveSlice, shareSlice } from "../support/prepareGuest.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { type Limits, resourcesOf } from "../support/runningTask.ts";
import { plugin, startVmAgent } from "../support/vmAgent.ts";

const pool = "/proc/sys/vm/nr_hugepages";

function reserveHugePages(): void {
  const before = readFileSync(pool, "utf8");
  writeFileSync(pool, "8");
  onTestFinished(() => writeFileSync(pool, before));
}

/** Controllers are read below the agent's cgroup while the second plugin has the task. */
interface Case {
  readonly options: object;
  readonly limits?: Limits;
  readonly file: string;
  readonly value: string;
}

describe("over the restart of a client", () => {
  for (const [name, { options, limits = {}, file, value }] of Object.entries<Case>({
    cgroup_delegate: { options: { cgroup_delegate: true }, file: "cgroup.max.descendants", value: "1024" },
    pressure: {
      options: { pressure: [{ memory: "full 150ms 1s" }] },
      file: "memory.max",
      value: `${128 << 20}`,
    },
    hugepages: { options: { hugepages: { "2MB": 2 } }, file: "hugetlb.2MB.max", value: `${2 << 20}` },
    numa_memory: {
      ...{ options: { numa_memory: "local" }, limits: { cores: "0" } },
      ...{ file: "cpuset.mems", value: "0" },
    },
  })) {
    test(`a task with ${name} answers as any other, and leaves a cgroup without a process`, async () => {
      if (name === "hugepages") reserveHugePages();
      const allocation = makeAllocation({ slice: limits.cores === undefined ? shareSlice : reserveSlice });
      const { exitCode, signal } = await liveAsClientCalls({
        allocation,
        command: { command: "sh", args: ["-c", servingScript], ...options },
        differing: { resources: resourcesOf(allocation, limits) },
        launch: (stateDir) => startVmAgent({ allow_cgroup_delegate: true }, stateDir),
        whileRunning: async () => assert.equal(cgroupFile(allocation.cgroup.path, file), value),
      });
      assert.deepEqual([exitCode, signal], [5, 0]);
    }, 300_000);
  }
});

describe("examples", () => {
  const run = promisify(execFile);
  const example = (name: string) => join(dirname(plugin), `../../examples/${name}.nomad.hcl`);

  /** @returns what the tasks of an example have written */
  async function outputOf(name: string, ...options: readonly string[]): Promise<string> {
    const state = mkdtempSync(join(diskFolder, "example-"));
    const { stdout } = await run(plugin, ["run", "--state-dir", state, ...options, example(name)]);
    return stdout;
  }

  test("numa: all pages are on one node", async () => {
    const lines = (await outputOf("numa")).trim().split("\n");
    assert.ok(lines.length >= 2, lines.join());
    for (const line of lines) assert.match(line, /^N0=\d+$/);
  });

  test("hugepages: the task reserves what its limit allows, and no more", async () => {
    reserveHugePages();
    assert.equal(await outputOf("hugepages"), "2 MiB: reserved\n4 MiB: Cannot allocate memory\n");
  });

  test("cgroups: the supervisor limits each service", async () => {
    const output = await outputOf("cgroups", "-o", "allow_cgroup_delegate=true");
    assert.equal(output, "web/memory.max = 16777216\nbatch/pids.max = 8\nweb: 1 process\nbatch: 1 process\n");
  });
});
