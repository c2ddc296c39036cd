/** Traces that arrive at a collector. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { TraceExporter } from "../../../src/history/otlp/traceExporter.ts";
import { taskTrace } from "../../../src/history/traces/taskTrace.ts";
import { life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { startCollector } from "../../support/traces/collector.ts";

const stream = "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20/web/0a1b2c3d";

/** `uuid5(UUID("4d63009a-8d0f-11ee-aad7-4c796ed8e320"), "node-1")` of Python's uuid. */
const instanceOfNode1 = "5b4e05aa-518b-5b01-9a05-08462269eec4";

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
  it("arrives unchanged, according to the standard variables", async () => {
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
        resource: {
          "service.name": "nomad-driver-exec2",
          "service.instance.id": instanceOfNode1,
          "host.name": "node-1",
          "deployment.environment": "test",
        },
      });
    }
  });

  it("goes where the variables for traces say; these override the variables for all signals", async () => {
    const collector = await startCollector();
    const exporter = exporterWith({
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.address}/mine/v1/traces`,
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x-tenant=shop",
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "gzip",
      OTEL_SERVICE_NAME: "tasks",
      OTEL_RESOURCE_ATTRIBUTES: "service.name=other,host.name=elsewhere",
    });
    await exporter.send([traceOf("ended")]);
    expect(exporter.address).toBe(`${collector.address}/mine/v1/traces`);
    expect(collector.requests).toMatchObject([
      { path: "/mine/v1/traces", headers: { "x-tenant": "shop", "content-encoding": "gzip" } },
    ]);
    expect(collector.spans[0]?.resource).toMatchObject({ "service.name": "tasks", "host.name": "elsewhere" });
  });

  it("goes to a collector whose certificate the variable names, and to no other collector", async (context) => {
    requireTools(context, "openssl");
    const folder = temporaryFolder();
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const names = ["-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"];
    execFileSync("openssl", [...request, "-keyout", key, "-out", cert, ...names], { stdio: "ignore" });
    const tls = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
    const collector = await startCollector(200, tls);
    const known = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.address, OTEL_EXPORTER_OTLP_CERTIFICATE: cert };
    const trace = traceOf("ended");
    await exporterWith(known).send([trace]);
    expect(collector.spans).toHaveLength(trace.spans.length);
    const stranger = exporterWith({
      ...known,
      OTEL_EXPORTER_OTLP_CERTIFICATE: "",
      OTEL_EXPORTER_OTLP_TIMEOUT: "500",
    });
    await expect(stranger.send([trace])).rejects.toMatchObject({ code: "TRACES_NOT_SENT" });
    expect(collector.spans).toHaveLength(trace.spans.length);
  });

  it("that no collector accepts is an error with the address, and without a secret", async () => {
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
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: "localhost:4318" }, /OTEL_EXPORTER_OTLP_ENDPOINT is not an HTTP address/],
  ])("is not sent if a variable asks for something unsupported: %j", (env, message) => {
    expect(() => new TraceExporter(env as unknown as Record<string, string>)).toThrow(message);
  });
});
