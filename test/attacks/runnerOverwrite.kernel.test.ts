/**
 * A task writes to the program that started it, as in CVE-2019-5736, so that the next start would execute the
 * task's code as root. This driver's runner is a sealed memfd, and init's /proc entries are not accessible.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { MFD_CLOEXEC, O_PATH } from "../../src/effects/kernel/constants.ts";
import { memfdCreate } from "../../src/effects/kernel/libc.ts";
import { pidOf, startAgent, startTask, waitTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { ExecCall } from "../support/agent/execCall.ts";
import { eventually } from "../support/host/eventually.ts";

const root = { name: "root", uid: 0, gid: 0 };
const attempt = `
for path in /proc/1/exe /proc/1/fd/*; do
  sh -c "echo overwritten > $path" 2> /dev/null && echo "wrote to $path"
done
sh -c 'exec 3< /proc/1/exe' 2> /dev/null && echo "opened init's program"
sh -c 'echo overwritten > /proc/self/exe' 2> /dev/null && echo "wrote to its own program"
true`;

test("the program cannot be overwritten by root with all of /proc unveiled for writing, nor by a command", async () => {
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

test("the program cannot be overwritten by a process that has it open, because it is sealed", async () => {
  const agent = await startAgent();
  const allocation = makeAllocation();
  const config = allocation.config("exec sleep 1000");
  await startTask(agent, config);
  const task = await pidOf(agent, config);
  const init = Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${task}/status`, "utf8"))?.[1]);
  const overwriteRunner = overwriteOnceEnded(init);
  await agent.driver.stopTask({ taskId: config.id, timeout: undefined, signal: "SIGKILL" });
  await waitTask(agent, config);
  await eventually(() => expect(() => readlinkSync(`/proc/${init}/exe`)).toThrow("ENOENT"));
  // The spawner also executes this file as long as the plugin runs.
  expect(overwriteRunner).toThrow("ETXTBSY");
  await agent.close();
  await eventually(() => expect(overwriteRunner).toThrow("EPERM"));

  const memfd = memfdCreate("exec2-test", MFD_CLOEXEC);
  writeSync(memfd, readFileSync("/usr/bin/sleep"));
  const program = openSync(`/proc/self/fd/${memfd}`, "r");
  closeSync(memfd);
  const child = spawn(`/proc/self/fd/${program}`, ["1000"], { stdio: "ignore" });
  closeSync(program);
  const overwriteCopy = overwriteOnceEnded(child.pid as number);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(overwriteCopy()).toBe(1);
});

/**
 * Opens the program of a process. The returned function writes to the program, which is possible only after
 * the process has ended.
 */
function overwriteOnceEnded(pid: number): () => number {
  const held = openSync(`/proc/${pid}/exe`, O_PATH);
  onTestFinished(() => closeSync(held));
  const overwrite = () => {
    const program = openSync(`/proc/self/fd/${held}`, constants.O_WRONLY);
    try {
      return writeSync(program, "x");
    } finally {
      closeSync(program);
    }
  };
  expect(overwrite).toThrow("ETXTBSY");
  return overwrite;
}
