/** The smallest part of a task's life, for machines on which the other suites would take too long. */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { pidOf, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { startVmAgent } from "../support/vmAgent.ts";

const { EPERM } = constants.errno;
const machine = { arm64: "aarch64", x64: "x86_64" }[process.arch as "arm64" | "x64"];

describe("life", () => {
  test("a task runs, is refused what its sandbox lacks, takes a command, stops, and outlives the plugin", async () => {
    const first = await startVmAgent({});
    const script = `
      uname -m
      cat /etc/shadow
      perl -e 'syscall(${machine === "aarch64" ? 40 : 165}, 0, 0, 0, 0, 0); print $!+0, "\\n"'
      trap 'echo stopped; exit 7' TERM
      echo up
      sleep 10000 & wait`;
    const allocation = makeAllocation({ slice: shareSlice });
    const config = allocation.config(script, { resources: resourcesOf(allocation, {}) });
    const handle = await startTask(first, config);
    await allocation.stdout.contains(`${machine}\n${EPERM}\nup\n`);
    await allocation.stderr.contains("/etc/shadow: ");

    const call = await execScript(first, config.id, "echo from a command; exit 5");
    assert.equal(`${call.stdout}`, "from a command\n");
    assert.partialDeepStrictEqual(await call.result, { exitCode: 5 });

    const pid = await pidOf(first, config);
    await first.crash();
    process.kill(pid, 0);
    const agent = await startVmAgent({}, first.stateDir);
    await agent.driver.recoverTask({ taskId: "", handle });
    assert.equal(await pidOf(agent, config), pid);

    const ended = waitTask(agent, config);
    await agent.driver.stopTask({ taskId: config.id, signal: "SIGTERM", timeout: { seconds: 30, nanos: 0 } });
    assert.partialDeepStrictEqual(await ended, { exitCode: 7 });
    await allocation.stdout.contains("stopped\n");
    await agent.driver.destroyTask({ taskId: config.id, force: true });
  });
});
