import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import { decodeGoDriverHandle } from "../../../src/driver/recovery/goDriverHandle.ts";
import { encodeHandle } from "../../../src/driver/recovery/taskHandle.ts";
import type { StartTaskResponse } from "../../../src/grpc/generated/nomad/driver.ts";
import { capturedCalls, captureNames } from "../../support/agent/captures.ts";
import { goDriverHandle } from "../../support/agent/goDriverTask.ts";
import { taskConfig } from "../../support/agent/requests.ts";

const packr = new Packr({ useRecords: false });

describe("handles that the Go driver wrote", () => {
  const handles = captureNames.flatMap((name) =>
    capturedCalls(name)
      .filter(({ method }) => method.endsWith("StartTask"))
      .flatMap(({ responses }) => (responses as StartTaskResponse[]).flatMap(({ handle }) => handle ?? [])),
  );

  test("are decoded in all recordings", () => {
    expect(handles.length).toBeGreaterThan(15);
    for (const { config, driverState } of handles) {
      const run = decodeGoDriverHandle(driverState, toTaskId(config?.id ?? ""));
      expect(run?.pid).toBeGreaterThan(1);
      // All were recorded on one day.
      expect(new Date(run?.startedAt ?? 0).toISOString()).toMatch(/^2026-11-24T/);
      expect(decodeGoDriverHandle(driverState, toTaskId("another task"))).toBeUndefined();
    }
  });

  test("are invalid if they are truncated anywhere", () => {
    const [handle] = handles;
    const { config, driverState = Buffer.alloc(0) } = handle ?? {};
    for (let length = 0; length < driverState.length; length++) {
      expect(
        decodeGoDriverHandle(driverState.subarray(0, length), toTaskId(config?.id ?? "")),
      ).toBeUndefined();
    }
  });
});

const time = fc.integer({ min: 1, max: 4e12 });

test("the pid and the time are decoded, whatever else the map holds", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 22 }), time, (pid, startedAt) => {
      const config = taskConfig();
      const { driverState } = goDriverHandle(config, { pid, startedAt, taskId: config.id });
      const more = Buffer.concat([
        Buffer.from([0x84]),
        packr.pack("New"),
        packr.pack({ a: [1] }),
        driverState.subarray(1),
      ]);
      for (const bytes of [driverState, more]) {
        expect(decodeGoDriverHandle(bytes, toTaskId(config.id))).toEqual({ pid, startedAt });
      }
    }),
  );
});

test("a time may be MessagePack's timestamp", () => {
  fc.assert(
    fc.property(time, (startedAt) => {
      const fields = { PID: 7, StartedAt: new Date(startedAt), TaskConfig: { ID: "a" } };
      expect(decodeGoDriverHandle(packr.pack(fields), toTaskId("a"))).toEqual({ pid: 7, startedAt });
    }),
  );
});

test("anything else is invalid", () => {
  const ours = encodeHandle({
    version: 1,
    taskId: "a",
    bootId: "b",
    init: { pid: 1, startTicks: 1 },
    task: { pid: 2, startTicks: 1 },
    uid: 1,
    gid: 1,
    cgroup: "/c",
    runFolder: "/r",
    startedAt: 1,
    oomKills: 0,
    runCgroup: null,
  });
  expect(decodeGoDriverHandle(ours, toTaskId("a"))).toBeUndefined();
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.anything().map((value) => packr.pack(value)),
      ),
      (bytes) => {
        expect(decodeGoDriverHandle(bytes, toTaskId("a"))).toBeUndefined();
      },
    ),
  );
});
