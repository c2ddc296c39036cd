import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { pidOf, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { describe, test } from "../support/runner.ts";
import { startVmTask } from "../support/runningTask.ts";
import { startVmAgent } from "../support/vmAgent.ts";

const sleep = { command: "sleep", args: ["1000"] };
/** Above the limits of the agent, which has those of the kernel's first process. */
const raised = { ulimit: [{ memlock: "unlimited", rtprio: "5" }] };

describe("limits of processes", () => {
  test("above the agent's own are set if the operator allows them", async () => {
    const { agent, config } = await startVmTask({ command: { ...sleep, ...raised } });
    const limits = readFileSync(`/proc/${await pidOf(agent, config)}/limits`, "utf8");
    assert.match(limits, /Max locked memory +unlimited +unlimited/);
    assert.match(limits, /Max realtime priority +5 +5/);
  });

  test("above the agent's own are refused by default", async () => {
    const agent = await startVmAgent({});
    const task = makeAllocation().config({ ...sleep, ...raised });
    await assert.rejects(startTask(agent, task), /"ulimit" with (memlock|rtprio)/);
  });

  test("a file that gets too large ends its writer", async () => {
    const script = "dd if=/dev/zero of=$NOMAD_TASK_DIR/large bs=1M count=4 2>/dev/null; echo $?";
    const command = { command: "sh", args: ["-c", script], ulimit: [{ fsize: String(1 << 20) }] };
    const { agent, allocation, config } = await startVmTask({ command });
    await waitTask(agent, config);
    // SIGXFSZ, which is 25.
    assert.equal(await allocation.stdout.text(), "153\n");
  });
});
