/**
 * The folders of a task named ".." lie beside those of all allocations, and are those of every other task
 * of this name: Nomad makes them there, since it forbids only slashes.
 */
import { writeFileSync } from "node:fs";
import { normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { errorOfCall } from "../../src/grpc/status.ts";
import { runTask, startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";

/** With the folders as an agent names them: without `.` and `..`. */
function configOf(taskName: string, script: string) {
  const allocation = makeAllocation({ taskName });
  const folders = ["NOMAD_TASK_DIR", "NOMAD_SECRETS_DIR"].map((name) => [
    name,
    normalize(allocation.env[name] ?? ""),
  ]);
  return allocation.config(script, { env: Object.fromEntries(folders) });
}

describe("a task whose name leads to another folder", () => {
  test.each([".", ".."])("is refused: %j", async (name) => {
    const agent = await startAgent();
    const first = makeAllocation({ taskName: name });
    writeFileSync(`${first.taskFolder}/secrets/theirs`, "another allocation's", { mode: 0o644 });
    // Where it is started, the one named ".." reads it.
    const refused = await runTask(agent, configOf(name, "cat $NOMAD_SECRETS_DIR/theirs")).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", recoverable: false });
    // That nothing else was wrong with it.
    expect(await runTask(agent, configOf("...", "true"))).toMatchObject({ exitCode: 0 });
  });
});
