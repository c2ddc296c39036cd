import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { buildExecPlan, buildTerminalExecPlan, type ExecInput } from "../../../src/effects/exec/execPlan.ts";
import { describePlan } from "../../../src/effects/plan/describePlan.ts";
import { descriptors, type Plan, phases, type Step } from "../../../src/effects/plan/plan.ts";
import { anyLaunchInput } from "../../support/launch/anyLaunchInput.ts";
import { launchInput } from "../../support/launch/launchRun.ts";
import { buildLaunchPlan } from "../../support/launch/wholeLaunch.ts";

const execInput = (differing: Partial<ExecInput> = {}): ExecInput => ({
  ...launchInput(),
  waiterName: "exec2-exec: 01234567/test",
  cgroup: { parent: "/sys/fs/cgroup/task", name: "exec2-exec-1" },
  ...differing,
});

const anyExecInput = anyLaunchInput.map(
  (input): ExecInput => ({
    ...input,
    waiterName: input.initName,
    cgroup: { parent: input.cgroup ?? "/", name: "exec2-exec-1" },
  }),
);

describe("the plan of a command in a running task", () => {
  it("joins the namespaces after all steps with host paths, and forks last", () => {
    expect(buildExecPlan(execInput()).steps.parent.map(({ name }) => name)).toEqual([
      "end with the plugin",
      "name the waiting process",
      "forbid dumps and tracing",
      "leave the agent's keyring",
      "close inherited descriptors",
      "close inherited descriptors",
      "open the plugin's /proc",
      ...Array.from({ length: 5 }, () => "create the command's cgroup"),
      "join the task's namespaces",
      "read the rest of the plan",
      "fork into the task",
    ]);
  });

  it("finds its inputs at fixed descriptor numbers", () => {
    const { inherited } = buildExecPlan(execInput());
    const numbers = [descriptors.plan, descriptors.report, descriptors.hostProc, ...Object.values(inherited)];
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(inherited).toMatchObject({ stdin: 0, stdout: 1, stderr: 2, ruleset: descriptors.ruleset });
  });

  it("drops the same privileges as the task's process, in the same order", () => {
    fc.assert(
      fc.property(anyExecInput, (input) => {
        const own = [
          ...["set the controlling terminal", "end with the process that waits", "end without the plugin"],
          ...["record the task", "wait for the go-ahead", "record the release"],
          "close the driver's descriptors",
        ];
        const task = buildLaunchPlan({
          ...launchInput(),
          ...input,
          cgroup: undefined,
          namespaceRules: [],
          runCgroup: undefined,
        }).steps.task;
        const shared = (steps: readonly Step[]) => steps.filter(({ name }) => !own.includes(name));
        expect(shared(buildExecPlan(input).steps.task)).toEqual(shared(task));
      }),
    );
  });

  it("sets the controlling terminal as leader of a new session, only if there is a terminal", () => {
    const names = (plan: Plan) => plan.steps.task.map(({ name }) => name);
    expect(names(buildTerminalExecPlan(execInput())).slice(0, 2)).toEqual([
      "start a session for the task",
      "set the controlling terminal",
    ]);
    expect(names(buildExecPlan(execInput()))).not.toContain("set the controlling terminal");
  });

  it("mounts a terminal's file system in a separate mount namespace, and uses the same descriptor numbers as without a terminal", () => {
    const plan = buildTerminalExecPlan(execInput());
    const numbers = [
      descriptors.plan,
      descriptors.report,
      descriptors.hostProc,
      ...Object.values(plan.inherited),
    ];
    expect(new Set(numbers).size).toBe(numbers.length);
    const names = plan.steps.parent.map(({ name }) => name);
    const mounting = "mount the terminal's file system";
    expect(names.indexOf(mounting)).toBe(names.indexOf("join the task's namespaces") + 1);
    const others = (steps: readonly Step[]) =>
      steps.filter(({ name }) => !/terminal|inherited|cgroup/.test(name));
    const plain = buildExecPlan(execInput());
    for (const phase of phases) expect(others(plan.steps[phase])).toEqual(others(plain.steps[phase]));
  });

  it("sets the parent-death signal after the change of user, which would reset the signal", () => {
    const names = buildExecPlan(execInput()).steps.task.map(({ name }) => name);
    const asks = names.indexOf("end with the process that waits");
    expect(asks).toBeGreaterThan(names.indexOf("set uid"));
    // The signal does not come if the parent has ended before the call.
    expect(names.indexOf("end without the plugin")).toBe(asks + 1);
  });

  it("describes every step in one line and never shows a value of the environment", () => {
    const secret = fc.stringMatching(/^[a-z]{12,}$/);
    fc.assert(
      fc.property(anyExecInput, secret, (input, value) => {
        const plan = buildExecPlan({ ...input, env: { ...input.env, TOKEN: value } });
        const lines = describePlan(plan);
        expect(lines).toHaveLength(phases.flatMap((phase) => plan.steps[phase]).length);
        expect(lines.join("\n")).not.toContain(value);
      }),
    );
  });
});
