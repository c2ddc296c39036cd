/** The driver starts tasks and commands by system calls alone: it runs no program of the host for it. */
import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { ExecCall } from "../../support/agent/execCall.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/** What a driver might run to make a sandbox. */
const names = ["nsenter", "unshare", "sh", "bash", "env", "mount", "ip", "chown", "setpriv", "newuidmap"];

test("runs no program that the plugin's PATH or the task's leads to, neither for a task nor for a command", async () => {
  const [programs, called] = [temporaryFolder(), temporaryFolder()];
  for (const folder of [programs, called]) chmodSync(folder, 0o777);
  for (const name of names) {
    writeFileSync(join(programs, name), `#!/bin/sh\n: > ${called}/${name}\n`, { mode: 0o755 });
  }
  const agent = await startAgent({ env: { PATH: programs }, options: { unveil_by_task: true } });
  const unveil = [`rx:${programs}`, `rwc:${called}`];
  const env = { PATH: programs };

  const allocation = makeAllocation();
  const config = allocation.config({ command: "/bin/sleep", args: ["1000"], unveil }, { env });
  await startTask(agent, config);
  const call = new ExecCall(agent, config.id, ["/bin/sh", "-c", "exit 4"]);
  call.closeInput();
  expect(await call.result).toMatchObject({ exitCode: 4 });
  await agent.driver.destroyTask({ taskId: config.id, force: true });
  expect(readdirSync(called)).toEqual([]);

  // Whoever runs one of them leaves a file: the task itself, and the host.
  const telling = makeAllocation().config({ command: "nsenter", unveil }, { env });
  expect(await runTask(agent, telling)).toMatchObject({ exitCode: 0 });
  execFileSync(join(programs, "unshare"));
  expect(readdirSync(called).sort()).toEqual(["nsenter", "unshare"]);
});
