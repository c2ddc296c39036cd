import { status } from "@grpc/grpc-js";
import { of } from "rxjs";
import { describe, expect, test } from "vitest";
import { DriverError } from "../../src/base/errors.ts";
import { toTaskId } from "../../src/base/taskId.ts";
import type { DriverPort, TaskStatus } from "../../src/driver/driverPort.ts";
import type { TaskConfig } from "../../src/grpc/generated/nomad/driver.ts";
import { encodeMsgpack } from "../../src/grpc/options.ts";
import { errorOfCall } from "../../src/grpc/status.ts";
import { stopReason } from "../../src/grpc/stopReason.ts";
import { allocId, setConfig, taskConfig, taskId, volumeMount } from "../support/agent/requests.ts";
import { exitedWith, type FakeDriver, fakeDriver, unknownTask } from "../support/plugin/fakeDriver.ts";
import { type ServedInProcess, serveInProcess } from "../support/plugin/serveInProcess.ts";

const mount = volumeMount("/srv", "/data", { requestName: "v" });
const device = { hostPath: "/dev/nvidia0", taskPath: "/dev/gpu", cgroupPermissions: "rw" };

describe("StartTask", () => {
  test("converts the request to the driver's types", async () => {
    const { fake, driver } = await configured();
    await driver.startTask({
      task: taskConfig({
        deviceEnv: new Map([
          ["GPU", "0"],
          ["NOMAD_TASK_NAME", "overridden by the job's own"],
        ]),
        resources: {
          allocatedResources: {
            cpu: { cpuShares: 500 },
            memory: { memoryMb: 64, memoryMaxMb: 128 },
            networks: [],
          },
          linuxResources: {
            cpuPeriod: 0,
            cpuQuota: 0,
            cpuShares: 500,
            memoryLimitBytes: 67108864,
            oomScoreAdj: 0,
            cpusetCpus: "0-1",
            cpusetCgroup: "/sys/fs/cgroup/nomad.slice/reserve.slice/a.main.scope",
            PercentTicks: 0.1,
          },
          ports: [],
        },
        networkIsolationSpec: { mode: 1, path: "/var/run/netns/a", labels: new Map() },
        dns: { servers: ["192.0.2.53"], searches: ["example.org"], options: [] },
      }),
    });
    expect(fake.calls.at(-1)).toEqual([
      "startTask",
      {
        taskId,
        taskName: "main",
        allocId,
        groupName: "only",
        allocIndex: null,
        jobId: "job",
        jobName: "job",
        namespace: "default",
        nodeId: "11111111-0000-4000-8000-000000000001",
        nodeName: "node",
        options: expect.objectContaining({ command: "sleep", args: ["5"], unveil: [] }),
        env: { NOMAD_TASK_NAME: "main", EMPTY: "", GPU: "0" },
        user: "nomad-80001",
        allocDir: `/data/alloc/${allocId}`,
        stdoutPath: "/dev/null",
        stderrPath: "/dev/null",
        output: { to: "agent" },
        resources: {
          cpuMhz: 500,
          memoryMb: 64,
          memoryMaxMb: 128,
          cpusetCpus: "0-1",
          cgroup: "/sys/fs/cgroup/nomad.slice/reserve.slice/a.main.scope",
        },
        network: { mode: "group", path: "/var/run/netns/a", self: undefined },
        dns: { servers: ["192.0.2.53"], searches: ["example.org"], options: [] },
        mounts: [],
        devices: [],
      },
      expect.any(AbortSignal),
    ]);
  });

  test("answers with a handle that contains the whole config, with the complete environment", async () => {
    const { driver } = await configured();
    const task = taskConfig();
    const { handle, result } = await driver.startTask({ task });
    expect(result).toBe(0);
    expect(handle).toMatchObject({ version: 1, state: 1, driverState: Buffer.from("state") });
    expect(handle?.config).toEqual({ ...task, env: new Map([...task.env, ["USER", "nobody"]]) });
  });

  test.each([
    ["no network spec", undefined, { mode: "host", path: "" }],
    ["mode HOST", { mode: 0, path: "" }, { mode: "host", path: "" }],
    ["mode NONE", { mode: 3, path: "" }, { mode: "none", path: "" }],
  ] as const)("with %s (%o) gets the network %o", async (_what, spec, network) => {
    const { fake, driver } = await configured();
    const networkIsolationSpec = spec && { ...spec, labels: new Map<string, string>() };
    await driver.startTask({ task: taskConfig({ networkIsolationSpec }) });
    expect(fake.calls.at(-1)?.[1]).toMatchObject({ network });
  });

  test.each([
    ["0", 0],
    ["42", 42],
    ["", null],
    ["-1", null],
    ["secret", null],
    ["1234567890", null],
  ])("with NOMAD_ALLOC_INDEX=%s has the index %s", async (text, allocIndex) => {
    const { fake, driver } = await configured();
    await driver.startTask({ task: taskConfig({ env: new Map([["NOMAD_ALLOC_INDEX", text]]) }) });
    expect(fake.calls.at(-1)?.[1]).toMatchObject({ allocIndex });
  });

  test("keeps names that are special in JavaScript", async () => {
    const { fake, driver } = await configured();
    const env = new Map(["__proto__", "constructor", "toString"].map((name) => [name, "mine"]));
    const { handle } = await driver.startTask({ task: taskConfig({ env }) });
    const request = fake.calls.at(-1)?.[1] as { env: object };
    expect(Object.entries(request.env)).toEqual([...env]);
    expect(handle?.config?.env.get("__proto__")).toBe("mine");
    expect({}).not.toHaveProperty("mine");
  });

  test.each([
    ["an unknown option", encodeMsgpack({ command: "sleep", shell: true }), "CONFIG_INVALID"],
    ["no command", encodeMsgpack({}), "CONFIG_INVALID"],
    ["no options", Buffer.alloc(0), "CONFIG_INVALID"],
    ["bytes that are not MessagePack", Buffer.from([0xc1, 0xc1]), "CONFIG_INVALID"],
    [
      "an option called __proto__",
      Buffer.from([0x81, 0xa9, ...Buffer.from("__proto__"), 0x80]),
      "CONFIG_INVALID",
    ],
  ])("with %s is refused", async (_what, msgpackDriverConfig, code) => {
    const { fake, driver } = await configured();
    const refused = await driver.startTask({ task: taskConfig({ msgpackDriverConfig }) }).catch(errorOfCall);
    expect(refused).toMatchObject({ code, recoverable: false });
    expect(fake.calls.map(([method]) => method)).toEqual(["configure"]);
  });

  test("converts mounts and devices to the driver's types", async () => {
    const { fake, driver } = await configured();
    const task = taskConfig({
      mounts: [
        { ...mount, readonly: true, propagationMode: "host-to-task" },
        { ...mount, propagationMode: "" },
      ],
      devices: [
        { ...device, cgroupPermissions: "rwm" },
        { ...device, cgroupPermissions: "r" },
      ],
    });
    await driver.startTask({ task });
    const volume = { source: "/srv", target: "/data", readOnly: false, propagation: "private" };
    const node = { source: "/dev/nvidia0", target: "/dev/gpu", read: true, write: false };
    expect(fake.calls.at(-1)).toMatchObject([
      "startTask",
      {
        mounts: [{ ...volume, readOnly: true, propagation: "host-to-task" }, volume],
        devices: [{ ...node, write: true }, node],
      },
      expect.any(AbortSignal),
    ]);
  });

  test.each<[string, string, RegExp, Partial<TaskConfig>]>([
    [
      "a mount that propagates to the host",
      "UNSUPPORTED",
      /mount \/data .*bidirectional.*Landlock lets no task mount/,
      { mounts: [{ ...mount, propagationMode: "bidirectional" }] },
    ],
    [
      "an unknown propagation mode",
      "UNSUPPORTED",
      /mode "upwards".*private and host-to-task/,
      { mounts: [{ ...mount, propagationMode: "upwards" }] },
    ],
    [
      "an SELinux label",
      "UNSUPPORTED",
      /label "Z".*label them on the host/,
      { mounts: [{ ...mount, selinuxLabel: "Z" }] },
    ],
    ...["", "m", "rx"].map((cgroupPermissions): [string, string, RegExp, Partial<TaskConfig>] => [
      `a device with the permissions "${cgroupPermissions}"`,
      "CONFIG_INVALID",
      /device \/dev\/gpu has the permissions .*has to give r, w or both/,
      { devices: [{ ...device, cgroupPermissions }] },
    ]),
  ])("with %s is refused", async (_what, code, message, differing) => {
    const { fake, driver } = await configured();
    const refused = await driver.startTask({ task: taskConfig(differing) }).catch(errorOfCall);
    expect(refused).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(fake.calls.map(([method]) => method)).toEqual(["configure"]);
  });

  test("without a task is refused", async () => {
    const { driver } = await configured();
    await expect(driver.startTask({})).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  test("that may succeed later is recoverable", async () => {
    const { driver } = await configured({
      startTask: () =>
        Promise.reject(new DriverError("LOG_PIPE_NO_READER", "no reader", { recoverable: true })),
    });
    const refused = await driver.startTask({ task: taskConfig() }).catch((error) => error);
    expect(refused).toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: "LOG_PIPE_NO_READER: no reader",
    });
    expect(errorOfCall(refused)).toMatchObject({ code: "LOG_PIPE_NO_READER", recoverable: true });
  });
});

describe("RecoverTask", () => {
  const handle = { version: 1, state: 1, driverState: Buffer.from("state") } as const;

  test("takes the task's id from the handle, because the request has none", async () => {
    const { fake, driver } = await configured();
    expect(await driver.recoverTask({ taskId: "", handle: { ...handle, config: taskConfig() } })).toEqual({});
    expect(fake.calls.at(-1)?.[1]).toMatchObject({
      taskId,
      driverState: Buffer.from("state"),
      request: { taskId, options: { command: "sleep" } },
    });
  });

  test("needs no options, because a restarted agent has lost them", async () => {
    const { fake, driver, logged } = await configured();
    const config = taskConfig({ msgpackDriverConfig: Buffer.alloc(0) });
    await driver.recoverTask({ taskId: "", handle: { ...handle, config } });
    expect(fake.calls.at(-1)?.[1]).toMatchObject({ taskId, request: { options: undefined } });
    expect(logged).toEqual([]);
  });

  test("recovers a task that the present configuration would not allow", async () => {
    const { fake, driver, logged } = await configured();
    const msgpackDriverConfig = encodeMsgpack({ command: "sleep", unveil: ["r:/srv"] });
    await driver.recoverTask({
      taskId: "",
      handle: { ...handle, config: taskConfig({ msgpackDriverConfig }) },
    });
    expect(fake.calls.at(-1)?.[1]).toMatchObject({ taskId, request: { options: undefined } });
    expect(logged).toMatchObject([{ level: "warn", fields: { task_id: taskId } }]);
  });

  test.each([
    ["no handle", undefined],
    ["a handle without a config", handle],
    ["a handle without a task's id", { ...handle, config: taskConfig({ id: "" }) }],
  ])("with %s fails", async (_what, given) => {
    const { fake, driver } = await configured();
    const refused = await driver.recoverTask({ taskId: "", handle: given }).catch(errorOfCall);
    expect(refused).toMatchObject({ code: "HANDLE_INVALID" });
    expect(fake.calls.map(([method]) => method)).toEqual(["configure"]);
  });
});

describe("WaitTask", () => {
  test("returns how the task ended", async () => {
    const { driver } = await configured({
      waitTask: async () => ({ exitCode: 137, signal: 9, oomKilled: true }),
    });
    expect(await driver.waitTask({ taskId })).toEqual({
      result: { exitCode: 137, signal: 9, oomKilled: true },
      err: "",
    });
  });

  test("always has a result, even if the end is unknown", async () => {
    const { driver } = await configured({ waitTask: async () => ({ ...exitedWith(-1), error: "lost" }) });
    expect(await driver.waitTask({ taskId })).toEqual({ result: exitedWith(-1), err: "lost" });
  });

  test("that is cancelled stops waiting in the driver, and nothing is logged", async () => {
    const waiting = new PendingWait();
    const { driver, logged } = await configured({ waitTask: waiting.waitTask });
    const cancel = new AbortController();
    const call = driver.waitTask({ taskId }, { signal: cancel.signal });
    const signal = await waiting.called;
    cancel.abort();
    await expect(call).rejects.toMatchObject({ code: status.CANCELLED });
    await waiting.aborted;
    expect(signal.aborted).toBe(true);
    expect(logged).toEqual([]);
  });

  test("stops waiting when its deadline is over or its caller is gone", async () => {
    const late = new PendingWait();
    const first = await configured({ waitTask: late.waitTask });
    await expect(first.driver.waitTask({ taskId }, { deadlineMs: 1 })).rejects.toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
    const gone = new PendingWait();
    const second = await configured({ waitTask: gone.waitTask });
    const call = second.driver.waitTask({ taskId });
    call.catch(() => {});
    await gone.called;
    second.breakConnections();
    await gone.aborted;
  });

  test("may be called many times at once", async () => {
    const { driver } = await configured({ waitTask: async (id) => exitedWith(Number(id)) });
    const ids = Array.from({ length: 500 }, (_, index) => index);
    const answers = await Promise.all(ids.map((id) => driver.waitTask({ taskId: String(id) })));
    expect(answers.map(({ result }) => result?.exitCode)).toEqual(ids);
  });
});

test("StopTask, DestroyTask and SignalTask pass their arguments to the driver", async () => {
  const { fake, driver } = await configured();
  await driver.stopTask({ taskId, timeout: { seconds: 5, nanos: 500_000_000 }, signal: "SIGTERM" });
  await driver.stopTask({ taskId, signal: "" });
  const metadata = stopReason("bad é exited with 42");
  await driver.stopTask({ taskId, signal: "" }, { metadata });
  await driver.stopTask({ taskId, signal: "" }, { metadata: stopReason(`\n${"x".repeat(900)}`) });
  await driver.destroyTask({ taskId, force: true });
  await driver.signalTask({ taskId, signal: "SIGUSR1" });
  expect(fake.calls.slice(1)).toEqual([
    ["stopTask", taskId, 5500, "SIGTERM", undefined],
    ["stopTask", taskId, 0, "", undefined],
    ["stopTask", taskId, 0, "", "bad é exited with 42"],
    ["stopTask", taskId, 0, "", expect.stringMatching(/^[^\n]{200}$/)],
    ["destroyTask", taskId, true],
    ["signalTask", taskId, "SIGUSR1"],
  ]);
});

describe("InspectTask", () => {
  const inspect = async (differing: Partial<TaskStatus>) => {
    const base = { taskId: toTaskId(taskId), taskName: "main", attributes: { pid: "7" } };
    const nothing = {
      state: "unknown",
      startedAtMs: undefined,
      completedAtMs: undefined,
      exit: undefined,
    } as const;
    const { driver } = await configured({ inspectTask: async () => ({ ...base, ...nothing, ...differing }) });
    return driver.inspectTask({ taskId });
  };

  test("returns an ended task's state", async () => {
    const answer = await inspect({
      state: "exited",
      startedAtMs: 1_500,
      completedAtMs: 2_000,
      exit: exitedWith(7),
    });
    expect(answer.task).toEqual({
      id: taskId,
      name: "main",
      state: 2,
      startedAt: { seconds: 1, nanos: 500_000_000 },
      completedAt: { seconds: 2, nanos: 0 },
      result: exitedWith(7),
    });
    expect(answer.driver?.attributes).toEqual(new Map([["pid", "7"]]));
  });

  test("sets times and result even if there are none, because agents read them unchecked", async () => {
    const never = { seconds: -62_135_596_800, nanos: 0 };
    const answer = await inspect({});
    expect(answer.task).toMatchObject({
      state: 0,
      startedAt: never,
      completedAt: never,
      result: exitedWith(0),
    });
  });
});

test.each(["waitTask", "inspectTask"] as const)(
  "%s of an unknown task has exactly the error that agents expect",
  async (method) => {
    const { driver } = await configured({ [method]: unknownTask });
    await expect(driver[method]({ taskId })).rejects.toMatchObject({
      code: status.UNKNOWN,
      details: "task not found for given id",
    });
  },
);

test("throttling is told in nanoseconds, and only if it is measured", async () => {
  const cpuOf = async (throttled: { periods: number; us: number } | undefined) => {
    const total = { cpu: { userPercent: 1, systemPercent: 2, mhz: 3, throttled }, memory: {} };
    const { driver } = await configured({
      taskStats: async () => of({ timeMs: 1, total, processes: new Map() }),
    });
    const [answer] = await driver.taskStats({ taskId }).toArray();
    return answer?.stats?.aggResourceUsage?.cpu;
  };
  const measured = await cpuOf({ periods: 7, us: 81_234 });
  expect(measured).toMatchObject({ throttledPeriods: 7, throttledTime: 81_234_000 });
  const unmeasured = await cpuOf(undefined);
  expect(unmeasured).toMatchObject({ throttledPeriods: 0, throttledTime: 0 });
  expect((measured?.measuredFields.length ?? 0) - (unmeasured?.measuredFields.length ?? 0)).toBe(2);
});

test("a driver that throws instead of rejecting fails only the call, and is logged", async () => {
  const { driver, logged } = await configured({
    signalTask: () => {
      throw new TypeError("a defect");
    },
  });
  await expect(driver.signalTask({ taskId, signal: "SIGINT" })).rejects.toMatchObject({
    code: status.INTERNAL,
  });
  expect(logged).toMatchObject([
    { level: "error", fields: { error: expect.stringContaining("tasks.test.ts") } },
  ]);
  expect(await driver.stopTask({ taskId, signal: "" })).toEqual({});
});

test.each(["createNetwork", "destroyNetwork"] as const)("%s is not implemented", async (method) => {
  const { driver } = await configured();
  const call = driver[method] as (request: object) => Promise<unknown>;
  await expect(call({ taskId, allocId, hostname: "" })).rejects.toMatchObject({
    code: status.UNIMPLEMENTED,
  });
});

async function configured(
  behaviour: Partial<DriverPort> = {},
): Promise<ServedInProcess & { fake: FakeDriver }> {
  const fake = fakeDriver(behaviour);
  const served = await serveInProcess(fake);
  await served.base.setConfig(setConfig());
  return { ...served, fake };
}

/** A wait that never ends by itself. */
class PendingWait {
  readonly #called = Promise.withResolvers<AbortSignal>();
  readonly #aborted = Promise.withResolvers<void>();
  readonly called = this.#called.promise;
  readonly aborted = this.#aborted.promise;

  readonly waitTask: DriverPort["waitTask"] = (_taskId, signal) => {
    this.#called.resolve(signal);
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        this.#aborted.resolve();
        reject(signal.reason);
      });
    });
  };
}
