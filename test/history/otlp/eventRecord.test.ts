/** Events of tasks as log records. */
import { describe, expect, it } from "vitest";
import { eventRecord } from "../../../src/history/otlp/eventRecord.ts";
import { EventsExporter, MetricsExporter } from "../../../src/history/otlp/signalExporter.ts";
import { taskTrace } from "../../../src/history/traces/taskTrace.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import { allLives, event, life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const stream = "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/0a1b2c3d";

function recordsOf(events: ReturnType<typeof life>) {
  let snapshot = initialSnapshot;
  return events.map((each) => {
    const before = snapshot;
    snapshot = step(before, each).snapshot;
    return eventRecord(stream, each, before.value, snapshot.context);
  });
}

describe("an event's record", () => {
  it("belongs to the trace of its task, and to its span", () => {
    const events = life("ended");
    const trace = taskTrace(stream, new RecordedLog().add(stream, events).events(stream));
    for (const { trace: id, span, node } of recordsOf(events)) {
      expect([id, span, node]).toEqual([trace?.id, trace?.spans[0]?.id, trace?.node]);
    }
  });

  it("says of every life's events what they are, in one line of visible characters", () => {
    for (const name of allLives) {
      const events = life(name);
      for (const [index, record] of recordsOf(events).entries()) {
        expect([record.name, record.time]).toEqual([`exec2.${events[index]?.type}`, events[index]?.time]);
        expect(record.text).not.toMatch(/\p{Cc}/u);
      }
    }
  });

  it("masks the arguments of commands", () => {
    const requested = life("ended")[0] as ReturnType<typeof life>[number];
    const [record] = recordsOf([requested]);
    expect(record?.text).toContain("…");
  });

  it("is an error where the event went wrong", () => {
    const failed = recordsOf([...life("ended").slice(0, 4), event("exited", { exitCode: 3 })]);
    expect(failed.map(({ isWrong }) => isWrong)).toEqual([false, false, false, false, true]);
  });
});

describe("an exporter of metrics or events", () => {
  it("goes to the address of its signal, and refuses what the library would ignore", () => {
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://a:1/",
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: "http://me:secret@b:2/logs",
    };
    expect(new MetricsExporter(env).address).toBe("http://a:1");
    expect(new EventsExporter(env).address).toBe("http://b:2/logs");
    const grpc = { OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: "grpc" };
    expect(() => new MetricsExporter(grpc)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(new EventsExporter(grpc).address).toBe("http://localhost:4318");
  });
});
