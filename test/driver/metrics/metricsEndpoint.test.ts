/** The plugin's endpoint for Prometheus: its address, who may read it, and its answers. */
import { spawnSync } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { MetricsEndpoint } from "../../../src/driver/metrics/metricsEndpoint.ts";
import type { MetricsAddress } from "../../../src/driver/options/metricsAddress.ts";
import { eventually } from "../../support/host/eventually.ts";
import { freePort } from "../../support/host/loopback.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const text = "# HELP x y\n# TYPE x gauge\nx 1\n";

function open(address: MetricsAddress, collect = async () => text) {
  const log = recordingLogger();
  const endpoint = new MetricsEndpoint(address, collect, log);
  onTestFinished(() => endpoint.close());
  return log;
}

interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

function ask(address: MetricsAddress, { path = "/metrics", method = "GET", headers = {} }: Ask = {}) {
  const place = "path" in address ? { socketPath: address.path } : address;
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const asked = request(
      { ...place, path, method, headers, agent: false },
      async (response: IncomingMessage) => {
        let body = "";
        for await (const chunk of response.setEncoding("utf8")) body += chunk;
        resolve({ status: response.statusCode ?? 0, body });
      },
    );
    asked.on("error", reject).end();
  });
}

const asked = (address: MetricsAddress, what?: Ask) => eventually(() => ask(address, what));

describe("the endpoint", () => {
  it("answers on the loopback device, and refuses requests that no scraper makes", async () => {
    const address = { host: "127.0.0.1", port: await freePort() };
    open(address);
    expect(await asked(address)).toEqual({ status: 200, body: text });
    expect((await ask(address, { path: "/metrics?x=1" })).status).toBe(200);
    expect((await ask(address, { path: "/" })).status).toBe(404);
    expect((await ask(address, { method: "POST" })).status).toBe(405);
    expect((await ask(address, { headers: { host: "evil.example" } })).status).toBe(421);
    expect((await ask(address, { headers: { origin: "http://evil.example" } })).status).toBe(403);
  });

  it("answers on a socket that only root may open, and leaves alone a socket on which another process listens", async () => {
    const path = join(temporaryFolder(), "metrics.sock");
    open({ path });
    expect(await asked({ path })).toEqual({ status: 200, body: text });
    await eventually(() => expect(statSync(path).mode & 0o777).toBe(0o600));
    const log = open({ path });
    await eventually(() => expect(log.lines).toMatchObject([{ level: "warn" }]));
    expect((await ask({ path })).status).toBe(200);
  });

  it("replaces the socket of a plugin that was killed", async () => {
    const path = join(temporaryFolder(), "metrics.sock");
    const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", program]);
    expect(statSync(path).isSocket()).toBe(true);
    open({ path });
    expect((await asked({ path })).status).toBe(200);
  });

  it("does not remove a file that is not a socket", async () => {
    const path = join(temporaryFolder(), "metrics.sock");
    writeFileSync(path, "mine");
    const log = open({ path });
    await eventually(() =>
      expect(log.lines).toMatchObject([{ message: "metrics cannot be served yet; the plugin tries again" }]),
    );
    expect(statSync(path).isFile()).toBe(true);
  });

  it("answers while others hold connections and send nothing", async () => {
    const address = { host: "127.0.0.1", port: await freePort() };
    open(address);
    await asked(address);
    for (let count = 0; count < 100; count++) {
      const socket = connect(address).on("error", () => {});
      onTestFinished(() => void socket.destroy());
    }
    expect((await asked(address)).status).toBe(200);
  });

  it("reports that the figures cannot be read, and continues to serve", async () => {
    const address = { path: join(temporaryFolder(), "metrics.sock") };
    let fails = true;
    open(address, async () => {
      if (fails) throw new Error("no cgroups");
      return text;
    });
    expect(await asked(address)).toEqual({ status: 500, body: "no cgroups\n" });
    fails = false;
    expect((await ask(address)).status).toBe(200);
  });
});
