/**
 * Tests the executable for arm64 as far as qemu-user can run it. `npm run test:arm64` builds it and runs
 * these tests.
 */
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { FingerprintResponse } from "../../../src/grpc/generated/nomad/driver.ts";
import { runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";
import { call } from "../../support/screen/commandLine.ts";

const executable = join(import.meta.dirname, "../../../dist/arm64/nomad-driver-exec2");
const emulator = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"] as const;
const arm64 = { program: [...emulator, executable] as const };
const native = { program: [builtEntry] };

describe.runIf(process.env.TEST_ARM64)("the executable for arm64", { timeout: 60_000 }, () => {
  it("prints its version and architecture", async () => {
    const { code, stdout } = await call(["version"], arm64);
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^nomad-driver-exec2 \d/),
    });
    expect(stdout).toContain("arm64");
  });

  it.each([
    ["events", "--json"],
    ["replay", "--check"],
    ["why", "main"],
  ])("reads a log as this machine's executable does: %s %s", async (...args) => {
    const agent = await startAgent({ entry: builtEntry });
    expect(await runTask(agent, makeAllocation().config("exit 3"))).toMatchObject({ exitCode: 3 });
    const of = [...args, "--state-dir", agent.stateDir];
    const expected = await call(of, native);
    expect(expected.code).toBe(0);
    expect(await call(of, arm64)).toMatchObject({ code: 0, stdout: expected.stdout });
  });

  it("gives an agent the same answers as this machine's executable, and says that tasks cannot run here", async () => {
    const agent = await startEmulated();
    const other = await startAgent({ entry: builtEntry });
    for (const ask of ["pluginInfo", "configSchema"] as const) {
      expect(await agent.base[ask]({})).toEqual(await other.base[ask]({}));
    }
    expect(await agent.driver.taskConfigSchema({})).toEqual(await other.driver.taskConfigSchema({}));
    const [fingerprint] = (await once(
      agent.driver.fingerprint({}).on("error", () => undefined),
      "data",
    )) as [FingerprintResponse];
    expect(fingerprint.healthDescription).toContain("has no Landlock");
  });

  it("refuses a start because Landlock is missing, and records the refusal in a log that this machine reads", async () => {
    const agent = await startEmulated();
    const config = makeAllocation().config("exit 0");
    await expect(startTask(agent, config)).rejects.toThrow(/Landlock/);
    await agent.close();
    const of = ["--state-dir", agent.stateDir];
    const events = await call(["events", "main", "--json", ...of], native);
    expect(events.stdout).toContain('"type":"startFailed"');
    expect(await call(["replay", "--check", ...of], native)).toMatchObject({ code: 0 });
  });
});

/**
 * Starts the executable without Node's variables in the environment. It would execute itself again to remove
 * them, which fails under the emulator.
 */
function startEmulated() {
  const [entry, ...args] = arm64.program;
  return startAgent({ entry, args });
}
