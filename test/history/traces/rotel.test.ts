/** Traces that a collector of another project has received, decoded and forwarded. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { TraceExporter } from "../../../src/history/otlp/traceExporter.ts";
import { type TaskTrace, taskTrace } from "../../../src/history/traces/taskTrace.ts";
import { allLives, event, life, numberedId } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { startCollector } from "../../support/traces/collector.ts";
import { startRotel } from "../../support/traces/rotel.ts";

const commands = [
  event("execStarted", { exec: 1, command: "/bin/check" }),
  event("execExited", { exec: 1, exitCode: 2 }),
];

/** The traces of all ended lives, each with a command. */
function traces(): TaskTrace[] {
  return allLives.flatMap((name, index) => {
    const stream = numberedId(index);
    const events = [...life(name).slice(0, 4), ...commands, ...life(name).slice(4)];
    return taskTrace(stream, new RecordedLog().add(stream, events).events(stream)) ?? [];
  });
}

describe("a collector of another project", () => {
  it.for(["none", "gzip"])("accepts complete traces, compression %s", async (compression, context) => {
    const receiver = await startCollector();
    vi.stubEnv("OTEL_EXPORTER_OTLP_ENDPOINT", await startRotel(context, receiver.address));
    vi.stubEnv("OTEL_EXPORTER_OTLP_COMPRESSION", compression);
    vi.stubEnv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test");
    onTestFinished(() => void vi.unstubAllEnvs());
    const exporter = new TraceExporter(process.env);
    onTestFinished(() => exporter.close());
    const made = traces();
    expect(made.length).toBeGreaterThan(5);
    await exporter.send(made);
    const spans = made.flatMap(({ id: traceId, spans: of }) => of.map((span) => ({ traceId, ...span })));
    await eventually(() => expect(receiver.spans).toHaveLength(spans.length));
    expect(receiver.spans).toEqual(
      spans.map(({ error, parent, events, ...span }) => ({
        ...span,
        parent: parent ?? "",
        events: events.map(({ name, time, text }) => ({
          ...{ name, time },
          attributes: text === "" ? {} : { "exec2.text": text },
        })),
        status: { code: error === null ? 0 : 2, message: error ?? "" },
        resource: {
          "service.name": "nomad-driver-exec2",
          "service.version": expect.any(String),
          "service.instance.id": expect.any(String),
          "host.name": "node-1",
          "deployment.environment": "test",
        },
      })),
    );
  });
});
