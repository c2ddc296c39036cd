/** The executable in a root with nothing else: no Node, no npm, no file of this checkout. */
import { execFile } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { pidOf, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { emptyRoot, inRoot } from "../../support/host/emptyRoot.ts";
import { persistentFolders, temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";

const run = promisify(execFile);
const executable = "/opt/nomad-driver-exec2";

/** A root with the programs that the tasks of these tests execute. */
function makeRoot(): string {
  return emptyRoot({ [executable]: builtEntry, "/bin/sh": "/bin/sh", "/usr/bin/id": "/usr/bin/id" });
}

describe("in a root that holds the executable and the libraries of C and C++", () => {
  it("prints its version", async () => {
    const [command = "", ...args] = inRoot({ root: makeRoot(), command: [executable, "version"], env: {} });
    const { stdout, stderr } = await run(command, args);
    expect(stdout).toMatch(/^nomad-driver-exec2 \d/);
    expect(stderr).toBe("");
  });

  it("runs a job", async () => {
    const root = makeRoot();
    copyFileSync(
      join(import.meta.dirname, "../../../examples/hello.nomad.hcl"),
      join(root, "hello.nomad.hcl"),
    );
    const [command = "", ...args] = inRoot({
      root,
      command: [executable, "run", "hello.nomad.hcl"],
      env: {},
    });
    const { stdout } = await run(command, args);
    expect(stdout).toMatch(/^hello from the sandbox\nI am user \d+, task hello of job hello\n$/);
  });

  it.each([
    { what: "writable", readOnly: false },
    { what: "read-only", readOnly: true },
  ])("serves an agent: $what", async ({ readOnly }) => {
    const root = makeRoot();
    const sockets = temporaryFolder();
    const allocation = makeAllocation();
    const shared = [sockets, persistentFolders];
    const [entry = "", ...args] = inRoot({ root, shared, readOnly, command: [executable] });
    const agent = await startAgent({ entry, args, env: { PLUGIN_UNIX_SOCKET_DIR: sockets } });
    const config = allocation.config(
      "echo $(id -u) in $NOMAD_TASK_DIR; read -r _ < $NOMAD_TASK_DIR/gate; exit 7",
    );
    const open = allocation.gate();
    await startTask(agent, config);
    expect(await pidOf(agent, config)).toBeGreaterThan(1);
    open();
    expect(await waitTask(agent, config)).toMatchObject({ exitCode: 7 });
    expect(await allocation.stdout.text()).toBe(`${allocation.user.uid} in ${allocation.taskFolder}/local\n`);
  });
});
