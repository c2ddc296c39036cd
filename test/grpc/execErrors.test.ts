/** Agents pass on a call's error to the user if it has at most 79 bytes, and nothing of a longer error. */
import { PassThrough, Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { DriverError, lineOf } from "../../src/base/errors.ts";
import type { DriverPort } from "../../src/driver/driverPort.ts";
import { notConfigured, notFound, notRunning } from "../../src/driver/taskErrors.ts";
import { buildTerminalExecPlan } from "../../src/effects/exec/execPlan.ts";
import { kernelError } from "../../src/effects/kernel/kernelError.ts";
import { assembleLate } from "../../src/effects/plan/assemble.ts";
import { launchError, notRun } from "../../src/effects/plan/launchError.ts";
import { phases } from "../../src/effects/plan/plan.ts";
import { ExecCall } from "../support/agent/execCall.ts";
import { taskId } from "../support/agent/requests.ts";
import { errorOf } from "../support/errors.ts";
import { launchInput } from "../support/launch/launchRun.ts";
import { fakeDriver } from "../support/plugin/fakeDriver.ts";
import { serveInProcess } from "../support/plugin/serveInProcess.ts";

/** A close frame of 123 bytes holds `rpc error: code = FailedPrecondition desc = ` and then the error. */
const bytesPassedOn = 79;

const planFor = (args: readonly string[] = []) =>
  buildTerminalExecPlan({
    ...launchInput({ command: "/usr/bin/command", args, workDir: "/a/long/path/of/a/folder" }),
    waiterName: "exec2-exec: 01234567/test",
    cgroup: {
      parent: "/sys/fs/cgroup/nomad.slice/share.slice/7e4c1b5e-0b83-4c3f-8f0c-86a8b0b1c3a5.main.scope",
      name: "exec2-exec-0123abcd-4567cdef",
    },
  });

describe("an error of the call", () => {
  test.each<[string, unknown, string]>([
    ["an unknown task", notFound(), "task not found for given id"],
    ["no configuration", notConfigured(), "PLUGIN_FAILED: the plugin has not been configured yet"],
    ...["pending", "sandboxed", "stopping", "destroyed"].map((state): [string, unknown, string] => [
      `a task that is ${state}`,
      notRunning({ state } as Parameters<typeof notRunning>[0], "no command can be run in it"),
      `TASK_NOT_RUNNING: the task is ${state}: no command can be run in it`,
    ]),
    [
      "a NUL character",
      errorOf(() => assembleLate(planFor(["a\0b"]), "x64")),
      "LAUNCH_FAILED: a string with a NUL character cannot be passed to a program",
    ],
    [
      "too many arguments",
      errorOf(() => assembleLate(planFor(["a".repeat(8_000_000)]), "x64")),
      "LAUNCH_FAILED: the launch plan is too long",
    ],
    [
      "a host short of descriptors",
      kernelError("pipe2", "EMFILE"),
      "KERNEL_CALL_FAILED: the kernel refused a call (pipe2: EMFILE)",
    ],
    ["a defect", new Error("a defect"), "PLUGIN_FAILED: the driver failed unexpectedly: a defect"],
    [
      "a long text",
      new Error("é".repeat(200)),
      `PLUGIN_FAILED: the driver failed unexpectedly: ${"é".repeat(14)}…`,
    ],
  ])("reaches the client: %s", async (_what, error, expected) => {
    const { call, details } = await failedCall(error);
    expect(details).toBe(expected);
    expect(Buffer.byteLength(details)).toBeLessThanOrEqual(bytesPassedOn);
    expect(call.marks).toEqual([]);
  });

  test("names the step and the errno of any failed launch", async () => {
    const plan = planFor();
    const steps = phases.flatMap((phase) => plan.steps[phase]).filter(({ call }) => call !== "execve");
    expect(steps.length).toBeGreaterThan(20);
    const error = { now: new Error() };
    const { driver } = await serve(async () => Promise.reject(error.now));
    for (const step of steps) {
      error.now = launchError(plan, step, "EINVAL", notRun);
      const details = await new ExecCall({ driver } as never, taskId, ["x"]).result.catch(
        (thrown: { details: string }) => thrown.details,
      );
      expect(details).toContain(`LAUNCH_FAILED: not run: step "${step.name}"`);
      expect(details).toContain("EINVAL)");
      expect(Buffer.byteLength(`${details}`)).toBeLessThanOrEqual(bytesPassedOn);
    }
  });

  test("is written in full to the command's standard error if it is longer", async () => {
    const error = new DriverError("LAUNCH_FAILED", 'not run: step "enter the working directory" failed', {
      failed: { call: "chdir", path: "/a/long/path/of/a/folder", errno: "EACCES" },
      hint: "Change its mode\nor\u001b[2J its owner",
    });
    const whole =
      'nomad-driver-exec2: LAUNCH_FAILED: not run: step "enter the working directory" failed ' +
      "(chdir /a/long/path/of/a/folder: EACCES). Change its mode or␛[2J its owner";
    expect(lineOf(error)).toBe(whole);
    const { call, details } = await failedCall(error);
    expect(details).toBe('LAUNCH_FAILED: not run: step "enter the working directory" failed (EACCES)');
    expect([`${call.stdout}`, `${call.stderr}`]).toEqual(["", `${whole}\n`]);
    const terminal = await failedCall(error, true);
    expect([`${terminal.call.stdout}`, `${terminal.call.stderr}`]).toEqual([`${whole}\r\n`, ""]);
  });

  test("is not repeated if it is short enough", async () => {
    const { call } = await failedCall(new DriverError("UNSUPPORTED", "no", { hint: "Restart the task" }));
    expect(call.stderr).toHaveLength(0);
  });

  test("comes after all earlier output", async () => {
    const nothing = () => undefined;
    const content = Buffer.alloc(3_000_000, "x");
    const { driver } = await serve(async () => ({
      stdin: new PassThrough(),
      stdout: Readable.from([content]),
      stderr: Readable.from([]),
      ended: Promise.reject(new DriverError("KERNEL_CALL_FAILED", "odd")),
      resize: nothing,
      cancel: nothing,
    }));
    const call = new ExecCall({ driver } as never, taskId, ["x"]);
    await expect(call.result).rejects.toMatchObject({ details: "KERNEL_CALL_FAILED: odd" });
    expect(call.stdout).toHaveLength(content.length);
  });

  test("about a missing setup is short, too", async () => {
    const { driver } = await serve(() => expect.fail("called"));
    const call = driver.execTaskStreaming();
    call.write({ stdin: { data: Buffer.from("x"), close: false } });
    await expect(call.toArray()).rejects.toMatchObject({
      details: "CONFIG_INVALID: the first message of an exec has to be its setup",
    });
  });
});

test("a script check's error is returned in full, because agents pass on all of it", async () => {
  const failed = { call: "chdir", path: "/a/long/path/of/a/folder/of/the/task", errno: "EACCES" };
  const error = new DriverError("LAUNCH_FAILED", "not run", { failed, hint: "Change its mode" });
  const { driver } = await serveInProcess(fakeDriver({ execTask: () => Promise.reject(error) }));
  await expect(driver.execTask({ taskId, command: ["x"] })).rejects.toMatchObject({
    details: `LAUNCH_FAILED: ${error.message}`,
  });
});

function serve(exec: DriverPort["exec"]) {
  return serveInProcess(fakeDriver({ exec }));
}

async function failedCall(error: unknown, tty = false) {
  const connection = await serve(async () => Promise.reject(error));
  const call = new ExecCall(connection, taskId, ["x"], { tty });
  const details = await call.result.then(
    () => expect.fail("it did not fail"),
    (thrown: { details: string }) => thrown.details,
  );
  return { call, details };
}
