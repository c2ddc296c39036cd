import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { connectToHost, perform, type ResolvedProbe } from "../../../src/localAgent/checks/probes.ts";
import { makeCertificate } from "../../support/agent/programs.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

async function portOf(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const run = (probe: ResolvedProbe, timeoutMs = 5_000) => {
  const execute = async ([command]: readonly string[]) => ({ exitCode: Number(command) });
  return perform(probe, { connect: connectToHost, execute }, timeoutMs, new AbortController().signal);
};
const http = (port: number, path = "/", more = {}): ResolvedProbe => ({
  kind: "http",
  port,
  secure: false,
  verifies: true,
  method: "GET",
  path,
  headers: {},
  body: "",
  ...more,
});

describe("a check by HTTP", () => {
  it("has the result that the answer's HTTP status implies", async () => {
    const port = await portOf(
      createHttpServer((request, response) => {
        response.writeHead(Number(request.url?.slice(1))).end("x".repeat(100_000));
      }),
    );
    expect(await run(http(port, "/200"))).toEqual({ status: "passing", detail: "" });
    expect(await run(http(port, "/204"))).toEqual({ status: "passing", detail: "" });
    expect(await run(http(port, "/429"))).toEqual({ status: "warning", detail: "HTTP 429" });
    expect(await run(http(port, "/301"))).toEqual({ status: "critical", detail: "HTTP 301" });
    expect(await run(http(port, "/500"))).toEqual({ status: "critical", detail: "HTTP 500" });
  });

  it("sends method, headers and body", async () => {
    let seen = "";
    const port = await portOf(
      createHttpServer((request, response) => {
        request.on("data", (data) => {
          seen = `${request.method} ${request.headers["x-a"]} ${data}`;
          response.end();
        });
      }),
    );
    await run(http(port, "/", { method: "PUT", headers: { "X-A": ["b"] }, body: "hello" }));
    expect(seen).toBe("PUT b hello");
  });

  it("fails if the answer is missing, late, or not HTTP", async () => {
    const port = await portOf(createServer());
    expect(await run(http(port), 100)).toEqual({ status: "critical", detail: "no answer in time" });
    const other = await portOf(createServer((socket) => socket.end("hello\n")));
    expect(await run(http(other))).toMatchObject({
      status: "critical",
      detail: expect.stringContaining("Parse Error"),
    });
  });
});

describe("a check by HTTPS", () => {
  it("verifies the server's certificate by default, and ends at the timeout", async () => {
    const folder = temporaryFolder();
    execFileSync("sh", ["-c", makeCertificate], { cwd: folder });
    const [key, cert] = ["key.pem", "cert.pem"].map((name) => readFileSync(`${folder}/${name}`));
    const server = createHttpsServer({ key, cert }, (request, response) => {
      if (request.url !== "/slow") response.end("x");
    });
    onTestFinished(() => server.closeAllConnections());
    const port = await portOf(server);
    const https = (path: string, verifies: boolean) => http(port, path, { secure: true, verifies });
    expect(await run(https("/", false))).toEqual({ status: "passing", detail: "" });
    expect(await run(https("/", true))).toEqual({ status: "critical", detail: "self-signed certificate" });
    expect(await run(https("/slow", false), 200)).toEqual({
      status: "critical",
      detail: "no answer in time",
    });
  });
});

describe("a check by TCP", () => {
  it("succeeds if the port accepts connections", async () => {
    const server = createServer();
    const port = await portOf(server);
    expect(await run({ kind: "tcp", port })).toEqual({ status: "passing", detail: "" });
    await new Promise((resolve) => server.close(resolve));
    expect(await run({ kind: "tcp", port })).toEqual({ status: "critical", detail: "connection refused" });
  });
});

describe("a check by a script", () => {
  it.each([
    ["0", "passing", ""],
    ["1", "warning", "exit code 1"],
    ["2", "critical", "exit code 2"],
  ])("that ends with %s is %s", async (command, status, detail) => {
    expect(await run({ kind: "script", command, args: [] })).toEqual({ status, detail });
  });
});
