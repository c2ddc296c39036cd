/**
 * A root process without CAP_SYS_PTRACE, such as a service, tries to look into a process of the driver. The
 * driver's memory has secrets of tasks, and its descriptors lead to files of the host.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startAgent, startTask } from "../support/agent/agent.ts";
import { makeAllocation } from "../support/agent/allocation.ts";
import { ExecCall } from "../support/agent/execCall.ts";
import { eventually } from "../support/host/eventually.ts";
import { processesNamed, procStatus } from "../support/host/processes.ts";

const withoutTracing = ["--bounding-set=-sys_ptrace"];

/** Whether the tracer can follow a link in the process's /proc folder. */
function canLookInto(pid: number): boolean {
  return spawnSync("setpriv", [...withoutTracing, "readlink", `/proc/${pid}/exe`]).status === 0;
}

/** A process that runs a script with code of this project, and has no more rights than the tracer. */
async function nodeRunning(script: string): Promise<number> {
  const child = spawn(
    "setpriv",
    [...withoutTracing, process.execPath, "--input-type=module-typescript", "-e", script],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child.pid as number;
}

const staying = `console.log("up"); process.stdin.resume();`;

test("a process without protection can be looked into", async () => {
  expect(canLookInto(await nodeRunning(staying))).toBe(true);
});

test("a process that is not dumpable, like the plugin, cannot be looked into", async () => {
  const module = join(import.meta.dirname, "../../src/effects/processes/ownMemory.ts");
  const hiding = `import { hideMemory } from ${JSON.stringify(module)}; hideMemory();`;
  expect(canLookInto(await nodeRunning(hiding + staying))).toBe(false);
});

test("a run's init and processes that wait for commands cannot be looked into, although they have fewer rights", async () => {
  const agent = await startAgent();
  const allocation = makeAllocation();
  const config = allocation.config("exec sleep 1000");
  await startTask(agent, config);
  const call = new ExecCall(agent, config.id, ["sh", "-c", "echo up; exec sleep 1000"]);
  await call.shows("up");
  for (const name of ["init", "exec"]) {
    const [pid = 0] = processesNamed(`exec2-${name}: ${allocation.id.slice(0, 8)}`);
    await eventually(() => expect(procStatus(pid).CapPrm).toBe("0000000000000020"));
    expect(canLookInto(pid)).toBe(false);
  }
  call.cancel();
});
