import { once } from "node:events";
import { status } from "@grpc/grpc-js";
import { NEVER, Observable, of, Subject, throwError } from "rxjs";
import { describe, expect, test } from "vitest";
import { DriverError } from "../../src/base/errors.ts";
import { toTaskId } from "../../src/base/taskId.ts";
import type { DriverPort, Fingerprint, TaskEventMessage } from "../../src/driver/driverPort.ts";
import { carriedError } from "../../src/grpc/status.ts";
import { allocId, taskId } from "../support/agent/requests.ts";
import { fakeDriver } from "../support/plugin/fakeDriver.ts";
import { type ServedInProcess, serveInProcess } from "../support/plugin/serveInProcess.ts";

const healthy: Fingerprint = { attributes: {}, health: "healthy", description: "ready" };

const happened: TaskEventMessage = {
  taskId: toTaskId(taskId),
  allocId,
  taskName: "main",
  timeMs: 1_250,
  message: "Process started",
  annotations: { pid: "7" },
};

describe("Fingerprint", () => {
  test("sends attributes with their types, and health, at every change", async () => {
    const attributes = {
      "driver.exec2": true,
      "driver.exec2.version": "0.1.0",
      "driver.exec2.landlock": 7,
      "driver.exec2.load": 0.5,
    };
    const fingerprints = () =>
      of<Fingerprint[]>(
        { ...healthy, attributes },
        { ...healthy, health: "unhealthy" },
        { ...healthy, health: "undetected" },
      );
    const { driver } = await serve({ fingerprints });
    const [first, second, third] = await driver.fingerprint({}).toArray();
    expect(first).toEqual({
      attributes: new Map([
        ["driver.exec2", { value: { $case: "boolVal", value: true }, unit: "" }],
        ["driver.exec2.version", { value: { $case: "stringVal", value: "0.1.0" }, unit: "" }],
        ["driver.exec2.landlock", { value: { $case: "intVal", value: 7 }, unit: "" }],
        ["driver.exec2.load", { value: { $case: "floatVal", value: 0.5 }, unit: "" }],
      ]),
      health: 2,
      healthDescription: "ready",
      err: "",
    });
    expect([second, third]).toMatchObject([{ health: 1 }, { health: 0 }]);
  });

  test("has its first error in its headers, because agents show the error's text", async () => {
    const failed = { call: "mkdir", path: "/state", errno: "EROFS" };
    const error = new DriverError("STATE_DIR_UNUSABLE", "no", { failed, hint: "Mend it" });
    const later = new DriverError("STORE_FAILED", "later");
    const unhealthy: Fingerprint = { ...healthy, health: "unhealthy", description: "in words" };
    const fingerprints = () => of({ ...unhealthy, error }, { ...unhealthy, error: later });
    const { driver } = await serve({ fingerprints });
    const stream = driver.fingerprint({});
    const [[headers], messages] = await Promise.all([once(stream, "metadata"), stream.toArray()]);
    expect(carriedError(headers)).toMatchObject({ code: "STATE_DIR_UNUSABLE", failed, hint: "Mend it" });
    expect(messages).toMatchObject([{ healthDescription: "in words" }, { healthDescription: "in words" }]);
  });

  test("has no error in its headers if it begins without one", async () => {
    const { driver } = await serve({ fingerprints: () => of(healthy) });
    const stream = driver.fingerprint({});
    const [[headers]] = await Promise.all([once(stream, "metadata"), stream.toArray()]);
    expect(carriedError(headers)).toBeUndefined();
  });
});

describe("TaskEvents", () => {
  test("sends each event to every reader", async () => {
    const { driver } = await serve({ taskEvents: () => of(happened, { ...happened, message: "ended" }) });
    const expected = [
      {
        taskId,
        allocId,
        taskName: "main",
        timestamp: { seconds: 1, nanos: 250_000_000 },
        message: "Process started",
        annotations: new Map([["pid", "7"]]),
      },
      expect.objectContaining({ message: "ended" }),
    ];
    const readers = [driver.taskEvents({}).toArray(), driver.taskEvents({}).toArray()];
    expect(await Promise.all(readers)).toEqual([expected, expected]);
  });
});

describe("a stream", () => {
  test("stays open, and unsubscribes from the driver when its reader cancels", async () => {
    const source = new Watched<TaskEventMessage>();
    const { driver } = await serve({ taskEvents: () => source.observable });
    const stream = driver.taskEvents({});
    const failed = new Promise((resolve) => stream.on("error", resolve));
    await source.subscribed;
    stream.cancel();
    expect(await failed).toMatchObject({ code: status.CANCELLED });
    await source.unsubscribed;
  });

  test("unsubscribes from the driver when its reader is gone", async () => {
    const source = new Watched<TaskEventMessage>();
    const { driver, breakConnections } = await serve({ taskEvents: () => source.observable });
    const failed = new Promise((resolve) => driver.taskEvents({}).on("error", resolve));
    await source.subscribed;
    breakConnections();
    await source.unsubscribed;
    expect(await failed).toMatchObject({ code: status.UNAVAILABLE });
  });

  test("that was cancelled before the driver was loaded never subscribes to the driver", async () => {
    const loaded = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    let subscribed = false;
    const subscribe = () => {
      subscribed = true;
    };
    const fake = fakeDriver({ taskEvents: () => new Observable(subscribe) });
    const { driver, health } = await serveInProcess(async () => {
      asked.resolve();
      await loaded.promise;
      return fake;
    });
    const stream = driver.taskEvents({});
    stream.on("error", () => {});
    await asked.promise;
    stream.cancel();
    // This call uses the same connection, so the server has seen the cancellation when it answers.
    await health.check({ service: "" });
    loaded.resolve();
    await driver.capabilities({});
    expect(fake.calls.map(([method]) => method)).toContain("taskEvents");
    expect(subscribed).toBe(false);
  });

  test.each([
    ["with a DriverError", new DriverError("STORE_FAILED", "disk full"), "STORE_FAILED: disk full", 0],
    [
      "with any other error",
      new Error("a defect"),
      "PLUGIN_FAILED: the driver failed unexpectedly: a defect",
      1,
    ],
  ])("that fails %s ends with its status", async (_what, error, details, logs) => {
    const { driver, logged } = await serve({ taskEvents: () => throwError(() => error) });
    await expect(driver.taskEvents({}).toArray()).rejects.toMatchObject({ code: status.INTERNAL, details });
    expect(logged).toHaveLength(logs);
  });

  test("that cannot even begin ends with a status", async () => {
    const { driver } = await serve({
      taskEvents: () => {
        throw new Error("a defect");
      },
    });
    await expect(driver.taskEvents({}).toArray()).rejects.toMatchObject({ code: status.INTERNAL });
  });

  test("whose reader does not read keeps a bounded number of messages, and logs this once", async () => {
    const source = new Subject<TaskEventMessage>();
    const { driver, logged } = await serve({ taskEvents: () => source });
    const stream = driver.taskEvents({});
    await expect.poll(() => source.observed).toBe(true);
    const sent = 20_000;
    const message = "x".repeat(1_000);
    for (let count = 1; count <= sent; count += 1)
      source.next({ ...happened, timeMs: count * 1_000, message });
    source.complete();
    const seconds = (await stream.toArray()).map(({ timestamp }) => timestamp.seconds);
    expect(seconds.length).toBeLessThan(sent / 2);
    expect(seconds).toEqual(seconds.toSorted((one, other) => one - other));
    expect(seconds.at(-1)).toBe(sent);
    expect(logged).toMatchObject([
      { level: "warn", fields: { method: expect.stringContaining("TaskEvents") } },
    ]);
  });
});

test("streams without messages stay open", async () => {
  const { driver, health } = await serve({ fingerprints: () => NEVER });
  const stream = driver.fingerprint({});
  let ended = false;
  stream
    .on("error", () => {})
    .on("end", () => {
      ended = true;
    });
  await health.check({ service: "" });
  expect(ended).toBe(false);
  stream.cancel();
});

function serve(behaviour: Partial<DriverPort>): Promise<ServedInProcess> {
  return serveInProcess(fakeDriver(behaviour));
}

/** An observable without values that records its subscriptions. */
class Watched<Message> {
  readonly #subscribed = Promise.withResolvers<void>();
  readonly #unsubscribed = Promise.withResolvers<void>();
  readonly subscribed = this.#subscribed.promise;
  readonly unsubscribed = this.#unsubscribed.promise;
  readonly observable = new Observable<Message>(() => {
    this.#subscribed.resolve();
    return () => this.#unsubscribed.resolve();
  });
}
