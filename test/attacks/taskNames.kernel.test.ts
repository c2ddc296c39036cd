/**
 * The folders of a task named ".." would be beside the folders of all allocations, and all tasks with this
 * name would share them. Nomad creates such folders, since it forbids only slashes in names.
 */
import { writeFileSync } from "node:fs";
import { normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { errorOfCall } from "../../src/grpc/status.ts";
import { runTask, startAgent } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";

/** A config with the folders' paths as an agent writes them, with `.` and `..` resolved. */
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
    // If the task were started, the one named ".." could read the file.
    const refused = await runTask(agent, configOf(name, "cat $NOMAD_SECRETS_DIR/theirs")).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "CONFIG_INVALID", recoverable: false });
    // Shows that only the name was wrong.
    expect(await runTask(agent, configOf("...", "true"))).toMatchObject({ exitCode: 0 });
  });
});
