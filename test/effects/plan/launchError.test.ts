import { describe, expect, it } from "vitest";
import { launchError } from "../../../src/effects/plan/launchError.ts";
import { phases } from "../../../src/effects/plan/plan.ts";
import { launchInput } from "../../support/launch/launchRun.ts";
import { buildLaunchPlan } from "../../support/launch/wholeLaunch.ts";

const plan = buildLaunchPlan(
  launchInput({
    cgroup: "/sys/fs/cgroup/task",
    network: { kind: "join", path: "/run/netns/a" },
    command: "/opt/app",
    env: { TOKEN: "very-secret" },
  }),
);

/** The error of the first step that makes this call and has this name. */
function errorOf(call: string, errno: string, name?: string) {
  const step = phases
    .flatMap((phase) => plan.steps[phase])
    .find((candidate) => candidate.call === call && (name === undefined || candidate.name === name));
  if (step === undefined) throw new Error(`no step calls ${call}`);
  return launchError(plan, step, errno);
}

describe("the error of a launch", () => {
  it("names step, call, path and errno, and says what to do", () => {
    expect(errorOf("execve", "EACCES")).toMatchObject({
      code: "LAUNCH_FAILED",
      failed: { call: "execve", path: "/opt/app", errno: "EACCES" },
      message: expect.stringMatching(
        /step "execute the command" failed \(execve \/opt\/app: EACCES\)\. .*unveil "rx:\/opt\/app"/,
      ),
    });
  });

  it("has the path of the earlier step that opened the descriptor", () => {
    expect(errorOf("setns", "EINVAL").message).toContain("/run/netns/a is not a network namespace");
    expect(errorOf("clone3", "EBUSY").failed?.path).toBe("/sys/fs/cgroup/task");
    expect(errorOf("write", "EACCES", "set oom_score_adj").failed).toEqual({
      call: "write",
      errno: "EACCES",
    });
  });

  it.each([
    ["execve", "ENOENT", /interpreter/],
    ["execve", "ENOEXEC", /architecture/],
    ["execve", "E2BIG", /too long/],
    ["clone3", "ENOMEM", /memory/],
    ["fchdir", "EACCES", /may not enter/],
  ])("has a hint for %s %s", (call, errno, hint) => {
    const error = errorOf(call, errno, call === "fchdir" ? "change to the working directory" : undefined);
    expect(error.hint).toMatch(hint);
  });

  it("is recoverable if another attempt may help", () => {
    expect(errorOf("clone3", "EAGAIN").recoverable).toBe(true);
    expect(errorOf("write", "ENOSPC").recoverable).toBe(true);
    expect(errorOf("execve", "EACCES").recoverable).toBe(false);
  });

  it("never contains the environment", () => {
    for (const step of phases.flatMap((phase) => plan.steps[phase])) {
      expect(launchError(plan, step, "EPERM").message).not.toContain("very-secret");
    }
  });
});
