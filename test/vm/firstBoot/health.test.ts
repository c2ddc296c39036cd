import assert from "node:assert/strict";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { FingerprintResponse_HealthState as Health } from "../../../src/grpc/generated/nomad/driver.ts";
import { waitTask } from "../../support/agent/agent.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { describe, test } from "../support/runner.ts";
import { startVmTask } from "../support/runningTask.ts";
import { sharedAgent } from "../support/vmAgent.ts";

const abi = landlockAbi();

describe("health", () => {
  test("a kernel with Landlock is healthy, and one without it is not, and starts no task", async () => {
    const { driver } = await sharedAgent();
    const { health, healthDescription, attributes } = await collect(driver.fingerprint({})).first(() => true);
    assert.equal(attributes.get("driver.exec2.landlock.abi")?.value?.value, abi);
    if (abi > 0) {
      assert.equal(health, Health.HEALTHY, healthDescription);
      const { agent, config } = await startVmTask({ command: "true" });
      assert.partialDeepStrictEqual(await waitTask(agent, config), { exitCode: 0 });
    } else {
      assert.equal(health, Health.UNHEALTHY);
      assert.match(healthDescription, /has no Landlock.*nothing would keep tasks from the host's files/);
      await assert.rejects(startVmTask({ command: "true" }), /LANDLOCK_UNAVAILABLE/);
    }
  });
});
