import { beforeAll, describe, expect, test } from "vitest";
import type { TaskConfig } from "../../../src/grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { type Agent, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { startWarmAgent } from "../../support/agent/refusal.ts";
import { withEventLog } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { leftSince, nothingLeft, tracesOf } from "../../support/plugin/pluginTraces.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startWarmAgent({ options: { unveil_by_task: true } });
});

type Prepare = (allocation: Allocation) => TaskConfig;

describe("a request is refused before it reaches the driver", () => {
  test.each<[string, string, RegExp, Prepare]>([
    [
      "an unknown unveil mode",
      "CONFIG_INVALID",
      /"q:\/etc".*unknown mode letter "q"/,
      (allocation) => allocation.config({ command: "true", unveil: ["q:/etc"] }),
    ],
    [
      "an unveiled path that is relative",
      "CONFIG_INVALID",
      /"r:etc".*not absolute/,
      (allocation) => allocation.config({ command: "true", unveil: ["r:/etc/hosts", "r:etc"] }),
    ],
    [
      "an oom_score_adj that protects the task",
      "CONFIG_INVALID",
      /"oom_score_adj" must be from 0/,
      (allocation) => allocation.config({ command: "true", oom_score_adj: -1000 }),
    ],
    [
      "an unknown option",
      "CONFIG_INVALID",
      /unknown option "image"/,
      (allocation) => allocation.config({ command: "true", image: "alpine" }),
    ],
  ])("for %s", async (_what, code, text, prepare) => {
    const config = prepare(makeAllocation());
    const before = tracesOf(agent);
    const refused = await startTask(agent, config).catch(errorOfCall);
    expect(refused).toMatchObject({ code, message: expect.stringMatching(text), recoverable: false });
    await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
    expect(await withEventLog(agent.stateDir, (log) => log.version(config.id))).toBe(0);
  });

  test("for unveil entries if the plugin does not allow them", async () => {
    const strict = await startAgent();
    const config = makeAllocation().config({ command: "true", unveil: ["r:/etc/hosts"] });
    const refused = await startTask(strict, config).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID" });
    expect(String(refused)).toContain("unveil_by_task");
  });
});
