/** The calls of the three processes of a launch in their order, with a simulated kernel. */
import { describe, expect, it } from "vitest";
import {
  type SystemCall,
  type SystemCallName,
  systemCallNames,
  systemCallNumber,
} from "../../../src/effects/kernel/systemCalls.ts";
import { type Logger, newStream } from "../../../src/effects/logs/logger.ts";
import { stepAt } from "../../../src/effects/plan/assemble.ts";
import type { LaunchPlan, Phase, Plan } from "../../../src/effects/plan/plan.ts";
import { launchInput } from "../../support/launch/launchRun.ts";
import { assemblePlan, interpret } from "../../support/launch/tableInterpreter.ts";
import { buildLaunchPlan } from "../../support/launch/wholeLaunch.ts";

const input = launchInput({
  cgroup: "/sys/fs/cgroup/task",
  privateTmp: "/task/tmp",
  knownRules: [{ path: "/usr", access: 5 }],
});
const plan = buildLaunchPlan(input);
const inHostPids = buildLaunchPlan({ ...input, runCgroup: { parent: "/sys/fs/cgroup/task", name: "run" } });
const logger: Logger = {
  ...{
    name: "exec2-log: 01234567/t",
    recordFile: "/run/exec2/log",
    aliveFifo: "/run/exec2/logger",
    base: "t",
  },
  ...{
    maxFiles: 10,
    maxFileBytes: 2 ** 20,
    bytesPerSecond: 0,
    streams: { stdout: newStream, stderr: newStream },
  },
};
const logged = buildLaunchPlan({ ...input, logger });
const names = new Map(systemCallNames.map((call) => [systemCallNumber(call, "x64"), call]));
const callsOf = (...list: Phase[]) => list.flatMap((phase) => plan.steps[phase].map(({ call }) => call));

/** The usual results: the number of bytes of the go-ahead, and of the rest of the plan. */
const usually: Partial<Record<SystemCallName, number>> = { read: 1, pread64: 100 };

const ENOENT = 2;
const ESRCH = 3;
const ECHILD = 10;

/**
 * @param forks the results of clone3 in order; 0 in a child
 * @param results the results of other calls in order; 0 by default
 */
function follow(
  forks: readonly number[],
  results: Partial<Record<SystemCall, readonly number[]>> = {},
  followed = plan,
) {
  const queues = new Map(
    Object.entries({ ...results, clone3: forks }).map(([call, list]) => [call, [...list]]),
  );
  const { calls, failure } = interpret(assemblePlan(followed, "x64"), ({ entry, number }) => {
    const call = names.get(number);
    if (call === undefined) throw new Error(`no system call ${number}`);
    if (call === "exit_group" || call === "execve") return undefined;
    // Then the logger's code follows.
    if (call === "close" && stepAt(followed, entry)?.flow?.kind === "becomeLogger") return undefined;
    return queues.get(call)?.shift() ?? usually[call] ?? 0;
  });
  return {
    calls: calls.map(({ number }) => names.get(number)),
    failedStep: failure && stepAt(followed, failure.entry)?.name,
    errno: failure?.errno,
  };
}

describe("the processes of a launch", () => {
  it("run in order: the parent forks init and ends", () => {
    expect(follow([100]).calls).toEqual(callsOf("parent"));
  });

  it("run in order: the parent forks init and becomes the logger, if it is released", () => {
    const steps = [...logged.steps.parent, ...logged.steps.logger].map(({ call }) => call);
    expect(follow([100], {}, logged).calls).toEqual(steps);
    const abandoned = follow([100], { read: [0] }, logged);
    expect(abandoned.calls.slice(-2)).toEqual(["read", "exit_group"]);
  });

  it("run in order: init has no other calls beside a logger, but closes its FIFO, and keeps its pipes", () => {
    const ofInit = (each: LaunchPlan) => {
      const { calls } = follow([0, 0], {}, each);
      return calls.slice(calls.indexOf("clone3"));
    };
    const expected = ofInit(plan);
    expected[expected.indexOf("close")] = "close_range";
    expect(ofInit(logged)).toEqual(expected);
    const kept = (each: Plan) => each.steps.supervise.find(({ call }) => call === "close_range")?.args;
    expect([kept(plan), kept(logged)]).toEqual([
      [3, 16, 0],
      [3, 14, 0],
    ]);
  });

  it("run in order: init sets up the namespaces and forks the task, which executes the command", () => {
    const forking = callsOf("parent").slice(0, callsOf("parent").indexOf("clone3") + 1);
    expect(follow([0, 0]).calls).toEqual([...forking, ...callsOf("init", "unveil", "held", "rest", "task")]);
  });

  it("run in order: init ends if the plan is never complete", () => {
    const { calls } = follow([0], { read: [1, 0] });
    expect(calls.slice(-2)).toEqual(["read", "exit_group"]);
    expect(calls).not.toContain("pread64");
  });

  it("run in order: the task's process ends if it is never released", () => {
    const { calls } = follow([0, 0], { read: [1, 1, 1, 0] });
    expect(calls.slice(-2)).toEqual(["read", "exit_group"]);
    expect(calls).not.toContain("execve");
    expect(calls).not.toContain("ftruncate");
  });

  it("run in order: init reaps orphans until the task has ended, records, kills and reaps the rest, and ends", () => {
    const orphan = 7;
    const task = 2;
    const supervising = (waits: readonly number[]) => {
      const { calls } = follow([0, task], { wait4: waits, kill: [-ESRCH] });
      return calls.slice(calls.lastIndexOf("clone3") + 1);
    };
    const preparing = ["dup3", "dup3", "dup3", "close_range", "munmap", "capset"];
    expect(supervising([orphan, orphan, task, -ECHILD, -ECHILD])).toEqual([
      ...preparing,
      ...["wait4", "wait4", "wait4"],
      ...["wait4", "pwrite64", "kill"],
      ...["wait4", "exit_group"],
    ]);
    // Processes that have ended are reaped before it is told whether any run; if some do, this is recorded first.
    const running = 0;
    expect(supervising([task, orphan, orphan, -ECHILD, -ECHILD])).toEqual([
      ...[...preparing, "wait4"],
      ...["wait4", "wait4", "wait4", "pwrite64", "kill"],
      ...["wait4", "exit_group"],
    ]);
    expect(supervising([task, orphan, running, orphan, -ECHILD])).toEqual([
      ...[...preparing, "wait4"],
      ...["wait4", "wait4", "pwrite64", "pwrite64", "kill"],
      ...["wait4", "wait4", "exit_group"],
    ]);
  });

  it("run in order: init in the host's pid namespace knows the task by its host pid, and kills the run's cgroup", () => {
    const orphan = 70_001;
    const task = 70_002;
    const results = { wait4: [orphan, task, 0, orphan, -ECHILD], read: [1, 1], write: [1, 1] };
    const { calls } = follow([0, task], results, inHostPids);
    const supervising = calls.slice(calls.lastIndexOf("clone3") + 1);
    expect(supervising).toEqual([
      ...["dup3", "dup3", "dup3", "dup3", "dup3", "close_range", "munmap", "capset", "rt_sigprocmask"],
      ...["wait4", "wait4"],
      ...["wait4", "pwrite64", "pwrite64", "write"],
      ...["wait4", "wait4"],
      ...["unlinkat", "exit_group"],
    ]);
  });

  it("report a failed step", () => {
    expect(follow([-11])).toMatchObject({ failedStep: "enter namespaces and cgroup", errno: 11 });
    expect(follow([0], { move_mount: [-ENOENT] })).toMatchObject({
      failedStep: "mount private /tmp",
      errno: ENOENT,
    });
    expect(follow([0, 0], { fchdir: [-ENOENT] })).toMatchObject({
      failedStep: "change to the working directory",
      errno: ENOENT,
    });
  });

  it("continue without keyrings, and without the right to protect init", () => {
    expect(follow([0, 0], { keyctl: [-38], write: [1, 0, -13] }).failedStep).toBeUndefined();
  });
});
