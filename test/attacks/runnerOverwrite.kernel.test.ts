/**
 * A task writes to the program that started it, as in CVE-2019-5736: the next start, as
 * root, would run what it wrote. Ours is a sealed memfd, and init's /proc entries are closed.
 */
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { pidOf, startAgent, startTask, waitTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { ExecCall } from "../support/agent/execCall.ts";

const root = { name: "root", uid: 0, gid: 0 };
const attempt = `
for path in /proc/1/exe /proc/1/fd/*; do
  sh -c "echo overwritten > $path" 2> /dev/null && echo "wrote to $path"
done
sh -c 'exec 3< /proc/1/exe' 2> /dev/null && echo "opened init's program"
sh -c 'echo overwritten > /proc/self/exe' 2> /dev/null && echo "wrote to its own program"
true`;

test("is refused to root, with all of /proc unveiled for writing, and to a command", async () => {
  const agent = await startAgent({
    options: {
      allow_root: true,
      allow_caps: ["all"],
      unveil_paths: ["rw:/proc"],
      seccomp: "unconfined",
      allow_seccomp: ["unconfined"],
    },
  });
  const allocation = makeAllocation({ user: root });
  const config = allocation.config(`${attempt}\nread -r _ < $NOMAD_TASK_DIR/gate`);
  const release = allocation.gate();
  await startTask(agent, config);
  const call = new ExecCall(agent, config.id, ["sh", "-c", attempt]).closeInput();
  expect(await call.result).toMatchObject({ exitCode: 0 });
  expect(`${call.stdout}`).toBe("");
  release();
  await waitTask(agent, config);
  expect(await allocation.stdout.text()).toBe("");
});

test("would reach nothing even outside of the sandbox: the runner is sealed", async () => {
  const agent = await startAgent();
  const allocation = makeAllocation();
  const config = allocation.config("exec sleep 1000");
  await startTask(agent, config);
  const task = await pidOf(agent, config);
  const init = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${task}/status`, "utf8"))?.[1];
  for (const how of [constants.O_WRONLY, constants.O_RDWR]) {
    expect(() => closeSync(openSync(`/proc/${init}/exe`, how))).toThrow(/ETXTBSY|EPERM|EACCES/);
  }
});
