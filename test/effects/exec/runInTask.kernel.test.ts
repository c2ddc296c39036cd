/** Commands in a running task: their processes, input and output. */
import { once } from "node:events";
import { closeSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { dirname } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { buildExecPlan } from "../../../src/effects/exec/execPlan.ts";
import { pidfdGetfd, pipe2, waitpid } from "../../../src/effects/kernel/libc.ts";
import { descriptors, kept, place, type Step } from "../../../src/effects/plan/plan.ts";
import { spawnRunner } from "../../../src/effects/plan/runner.ts";
import { writeLate, writeTable } from "../../../src/effects/plan/spawnPlan.ts";
import { openProcess } from "../../../src/effects/processes/signals.ts";
import { eventually } from "../../support/host/eventually.ts";
import {
  type ExecTarget,
  exec,
  execInput,
  execOutcome,
  execTarget,
  outcomeOf,
} from "../../support/launch/execRun.ts";
import { TestRun, taskUid } from "../../support/launch/launchRun.ts";

const namespaces = ["pid", "mnt", "ipc", "net", "uts", "cgroup"];

describe("a command in a running task", () => {
  it("is in the task's namespaces and below its cgroup, with its user, groups and privileges", async () => {
    using run = new TestRun();
    const target = await execTarget(run);
    const command = await exec(target, "exec sleep 1000");
    const task = target.launched.task.pid;
    const { pid } = command.leader;
    for (const kind of namespaces) {
      expect(readlinkSync(`/proc/${pid}/ns/${kind}`)).toBe(readlinkSync(`/proc/${task}/ns/${kind}`));
    }
    const cgroupOf = (of: number) => /^0::(.*)$/m.exec(readFileSync(`/proc/${of}/cgroup`, "utf8"))?.[1] ?? "";
    expect(dirname(cgroupOf(pid))).toBe(cgroupOf(task));
    const privileges = (of: number) =>
      readFileSync(`/proc/${of}/status`, "utf8")
        .split("\n")
        .filter((line) => /^(Uid|Gid|Groups|Cap|NoNewPrivs|Umask|Sig(Blk|Ign|Cgt)|ShdPnd)/.test(line));
    // The process may still be the shell that is about to execute the program.
    await eventually(() => expect(privileges(pid)).toEqual(privileges(task)));
    expect(readFileSync(`/proc/${pid}/limits`, "utf8")).toBe(readFileSync(`/proc/${task}/limits`, "utf8"));
    command.kill();
    expect(await command.ended).toMatchObject({ signal: 9 });
  });

  it("has its own output and exit code", async () => {
    using run = new TestRun();
    const target = await execTarget(run);
    expect(await execOutcome(target, "echo out; echo err >&2; exit 7")).toEqual({
      stdout: "out\n",
      stderr: "err\n",
      status: expect.objectContaining({ exitCode: 7, signal: 0 }),
    });
    expect(await execOutcome(target, "kill -TERM $$")).toMatchObject({ status: { exitCode: 0, signal: 15 } });
  });

  it("has three descriptors, and a session of its own", async () => {
    using run = new TestRun();
    const target = await execTarget(run);
    const command = await exec(target, "exec sleep 1000");
    const { pid } = command.leader;
    expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(" ").slice(4, 6)).toEqual([`${pid}`, `${pid}`]);
    const { stdout } = await execOutcome(target, "ls /proc/self/fd; id -u");
    expect(stdout).toBe(`0\n1\n2\n3\n${taskUid}\n`);
    command.kill();
    await command.ended;
  });

  it("gets all of its binary input, and the input's end", async () => {
    using run = new TestRun();
    const target = await execTarget(run);
    const command = await exec(target, "sha256sum; wc -c");
    command.stdin.end(Buffer.from([0, 1, 2, 255, 10, 0]));
    expect((await outcomeOf(command)).stdout).toMatch(/^[0-9a-f]{64} {2}-\n0\n$/);
  });

  it("ends with the task, and leaves nothing of its session behind", async () => {
    using run = new TestRun();
    const target = await execTarget(run);
    const command = await exec(target, "sleep 1001 & sleep 1002 & exit 0");
    expect((await outcomeOf(command)).status).toMatchObject({ exitCode: 0 });
    const left = () => readFileSync(`${target.cgroup}/cgroup.procs`, "utf8").trim().split("\n");
    await eventually(() => expect(left()).toHaveLength(2));
    const other = await exec(target, "exec sleep 1000");
    process.kill(target.launched.task.pid, "SIGKILL");
    expect(await other.ended).toMatchObject({ signal: 9 });
    await run.ended();
  });

  it("is not executed if the plugin ends while its process asks for its parent's death signal", async () => {
    using run = new TestRun();
    const target = await execTarget(run);
    const { stdout, ...command } = spawnHeldCommand(target, "echo executed");
    await command.reported;
    // The plugin ends, and with it the process that waits. The command's process has not asked for the signal.
    command.endPlugin();
    command.release();
    expect(await text(stdout)).toBe("");
  });
});

/**
 * Spawns a command as runInTask.ts does. Its process waits for its release right after it has reported itself. This
 * process plays the plugin that ends.
 */
function spawnHeldCommand(target: ExecTarget, script: string) {
  const opened = new DisposableStack();
  onTestFinished(() => opened.dispose());
  const keep = (descriptor: number) => opened.adopt(descriptor, closeSync);
  const [stdin, stdout, status, report] = [pipe2(), pipe2(), pipe2(), pipe2()];
  for (const descriptor of [stdin.read, stdin.write, status.read, status.write, report.write])
    keep(descriptor);
  const init = keep(openProcess(target.launched.init) as number);
  const plan = buildExecPlan(execInput(target, script));
  const { task } = plan.steps;
  const reports = task.findLastIndex(({ name }) => name === "report the task");
  const hold: Step = { name: "wait", call: "read", args: [descriptors.stdin, place("waitStatus"), 1] };
  const held = { ...plan, steps: { ...plan.steps, task: task.toSpliced(reports + 1, 0, hold) } };
  const table = keep(writeTable(held));
  writeLate(table, held);
  const passed = {
    ...{ stdin: stdin.read, stdout: stdout.write, stderr: stdout.write, init, status: status.write },
    ruleset: keep(pidfdGetfd(init, kept.ruleset)),
  };
  const names = Object.keys(passed) as (keyof typeof passed)[];
  const waiter = spawnRunner(
    plan.initName,
    [
      { from: table, to: descriptors.plan },
      { from: report.write, to: descriptors.report },
      ...names.map((name) => ({ from: passed[name], to: plan.inherited[name] })),
    ],
    "/run",
  );
  closeSync(stdout.write);
  const reader = new Socket({ fd: report.read, readable: true, writable: false });
  return {
    stdout: new Socket({ fd: stdout.read, readable: true, writable: false }),
    reported: once(reader, "data"),
    endPlugin: () => {
      process.kill(waiter, "SIGKILL");
      waitpid(waiter, 0);
      reader.destroy();
    },
    release: () => void writeSync(stdin.write, "x"),
  };
}
