import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { type Agent, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { onFileFinished } from "../../support/fileEnd.ts";
import { persistentFolders } from "../../support/host/temporaryFolder.ts";

const folder = mkdtempSync(join(persistentFolders, "exec2-sets-"));
onFileFinished(() => rmSync(folder, { recursive: true }));
chmodSync(folder, 0o755);
writeFileSync(join(folder, "library"), "shared\n");
const sets = { host: [`r:${folder}`], broken: [`r:${folder}/missing`] };

async function read(plugin: Agent, unveil_sets: readonly string[], path: string) {
  const allocation = makeAllocation();
  const { exitCode } = await runTask(
    plugin,
    allocation.config({ command: "cat", args: [path], unveil_sets }),
  );
  return { exitCode, text: await allocation.stdout.text() };
}

const refusal = (agent: Agent, unveil_sets: readonly string[]) =>
  startTask(agent, makeAllocation().config({ command: "true", unveil_sets })).catch(errorOfCall);

describe("sets of paths", () => {
  test("of the operator are open to jobs that name them, and closed to others", async () => {
    const agent = await startAgent({ options: { unveil_sets: [sets] } });
    const file = join(folder, "library");
    expect(await read(agent, ["host"], file)).toEqual({ exitCode: 0, text: "shared\n" });
    expect(await read(agent, [], file)).toEqual({ exitCode: 1, text: "" });
  });

  test("of the operator have to exist", async () => {
    const agent = await startAgent({ options: { unveil_sets: [sets] } });
    expect(await refusal(agent, ["broken"])).toMatchObject({ code: "UNVEIL_PATH_MISSING" });
  });

  test("of the driver need the same permission as unveil", async () => {
    const closed = await startAgent({ options: { unveil_sets: [sets] } });
    expect(await refusal(closed, ["openssl"])).toMatchObject({ code: "CONFIG_INVALID" });
    const other = await startAgent({ options: { unveil_allowed: ["r:/srv"] } });
    expect(await refusal(other, ["openssl"])).toMatchObject({ code: "UNVEIL_NOT_ALLOWED" });
    const listed = await startAgent({ options: { unveil_allowed: ["r:/etc/ssl"] } });
    expect(await read(listed, ["openssl"], "/etc/ssl/openssl.cnf")).toMatchObject({ exitCode: 0 });
  });

  test("of the driver leave out what the host does not have", async () => {
    const agent = await startAgent({ options: { unveil_by_task: true } });
    // No host has all of these versions.
    expect(await read(agent, ["java", "go"], "/dev/null")).toEqual({ exitCode: 0, text: "" });
  });
});
