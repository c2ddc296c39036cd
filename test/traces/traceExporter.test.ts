/** What arrives at a collector. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { taskTrace } from "../../src/traces/taskTrace.ts";
import { TraceExporter } from "../../src/traces/traceExporter.ts";
import { life } from "../support/agent/lives.ts";
import { RecordedLog } from "../support/history/recordedLog.ts";
import { startCollector } from "../support/traces/collector.ts";

const stream = "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/0a1b2c3d";

function exporterWith(env: Readonly<Record<string, string>>): TraceExporter {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const exporter = new TraceExporter(process.env);
  onTestFinished(() => exporter.close());
  return exporter;
}

function traceOf(name: "ended" | "lost") {
  const trace = taskTrace(stream, new RecordedLog().add(stream, life(name)).events(stream));
  if (trace === undefined) throw new Error("no trace");
  return trace;
}

describe("a trace", () => {
  it("arrives as it was made, by the standard variables", async () => {
    const collector = await startCollector();
    const exporter = exporterWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.address,
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20abc",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=test",
    });
    const trace = traceOf("lost");
    await exporter.send([trace]);
    expect(collector.requests).toMatchObject([
      { path: "/v1/traces", headers: { authorization: "Bearer abc" } },
    ]);
    expect(collector.spans).toHaveLength(trace.spans.length);
    for (const [index, { id, name, parent, from, to, attributes, error }] of trace.spans.entries()) {
      expect(collector.spans[index]).toMatchObject({
        ...{ id, name, parent: parent ?? "", from, to, attributes, traceId: trace.id },
        status: { code: error === null ? 0 : 2, message: error ?? "" },
        resource: { "service.name": "nomad-driver-exec2", "deployment.environment": "test" },
      });
    }
  });

  it("that nobody takes is an error with the address, and without a secret", async () => {
    const collector = await startCollector(403);
    const exporter = exporterWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.address.replace("//", "//user:correct-horse@"),
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=correct-horse",
    });
    const error = await exporter.send([traceOf("ended")]).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: "TRACES_NOT_SENT" });
    expect(String((error as Error).message)).toContain(collector.address);
    expect(String((error as Error).message)).not.toContain("correct-horse");
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }, /protocol "grpc"/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "localhost:4318" }, /OTEL_EXPORTER_OTLP_ENDPOINT is none/],
  ])("is not sent by variables that would not be heeded: %j", (env, message) => {
    expect(() => new TraceExporter(env as unknown as Record<string, string>)).toThrow(message);
  });
});
