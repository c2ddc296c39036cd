/** Rotel, a collector of another project. It decodes traces with another library, and forwards them. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { onTestFinished, type TestContext } from "vitest";
import { eventually } from "../host/eventually.ts";
import { freePort } from "../host/loopback.ts";
import { skipLoudly } from "../host/requireTools.ts";
import { temporaryFolder } from "../host/temporaryFolder.ts";

const program = join(
  import.meta.dirname,
  "../../fixtures/collector/node_modules/@streamfold/rotel-linux-x64/bin/rotel-agent",
);

/**
 * Starts Rotel for a test. Skips the test with a message if Rotel is not installed.
 * @param onward the address to which Rotel forwards traces, by OTLP over HTTP
 * @returns Rotel's address for OTLP over HTTP
 */
export async function startRotel(context: TestContext, onward: string): Promise<string> {
  if (!existsSync(program)) skipLoudly(context, "Rotel, which is packaged for x86-64");
  const [http, grpc] = [await freePort(), await freePort()];
  const args = [
    ...["--pid-file", join(temporaryFolder(), "pid"), "--disable-batching"],
    ...["--otlp-http-endpoint", `127.0.0.1:${http}`, "--otlp-grpc-endpoint", `127.0.0.1:${grpc}`],
    ...["--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", onward],
  ];
  const rotel = spawn(program, ["start", ...args], { stdio: ["ignore", "ignore", "inherit"] });
  onTestFinished(() => ended(rotel));
  await eventually(() => reach(http));
  return `http://127.0.0.1:${http}`;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
}

function reach(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve();
    }).on("error", reject);
  });
}
