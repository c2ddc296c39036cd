/**
 * Measures the three launches of a plugin when an agent starts: duration and processor time, compared with a
 * Node that starts and writes a byte. As root, after `npm run build`: `node bench/launches.ts [rounds]`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type LaunchedPlugin, launchPlugin } from "../src/grpc/pluginClient.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { printTimes, threadsCpuMs } from "./figures.ts";
import { install, kill } from "./plugin.ts";

const rounds = Number(process.argv[2] ?? 20);
const base = mkdtempSync("/var/lib/exec2-bench-");
const executable = install(base);
const options = { state_dir: join(base, "state") };

/** The agent's calls for each launch. Afterwards the agent kills the first two plugins. */
const launches: Readonly<Record<string, (plugin: LaunchedPlugin) => Promise<unknown>>> = {
  "first launch: its name and its options": async ({ base: service }) => {
    await service.pluginInfo({});
    await service.configSchema({});
  },
  "second launch: the options are valid": async ({ base: service }) => {
    // Agents call this twice, without the node's topology.
    await service.setConfig({ ...setConfig(options), nomadConfig: undefined });
    await service.setConfig({ ...setConfig(options), nomadConfig: undefined });
  },
  "third launch: to the first fingerprint": async ({ base: service, driver }) => {
    await service.setConfig(setConfig(options));
    await driver.init({});
    await once(
      driver.fingerprint({}).on("error", () => undefined),
      "data",
    );
  },
};

interface Measured {
  readonly ms: number[];
  readonly cpu: number[];
}

try {
  const bare: Measured = { ms: [], cpu: [] };
  const handshakes: number[] = [];
  const measured = new Map(Object.keys(launches).map((name) => [name, { ms: [], cpu: [] } as Measured]));
  for (let round = -2; round < rounds; round++) {
    const node = await bareNode();
    if (round >= 0) add(bare, node);
    for (const [name, ask] of Object.entries(launches)) {
      const { handshakeMs, ...launch } = await launched(ask);
      if (round < 0) continue;
      add(measured.get(name) as Measured, launch);
      handshakes.push(handshakeMs);
    }
  }
  printTimes("baseline: a Node that writes a byte", bare.ms);
  printTimes("  its processor time", bare.cpu);
  printTimes("each launch: to the handshake", handshakes, bare.ms);
  for (const [name, { ms, cpu }] of measured) {
    printTimes(name, ms, bare.ms);
    printTimes("  its processor time", cpu, bare.cpu);
  }
} finally {
  rmSync(base, { recursive: true });
}

function add({ ms, cpu }: Measured, { at, used }: { readonly at: number; readonly used: number }): void {
  ms.push(at);
  cpu.push(used);
}

async function bareNode() {
  const begin = performance.now();
  const script = "require('node:fs').writeSync(1, 'x'); setInterval(() => {}, 1e6)";
  const child: ChildProcess = spawn(process.execPath, ["-e", script], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  if (child.stdout) await once(child.stdout, "data");
  const at = performance.now() - begin;
  const used = threadsCpuMs(child.pid as number);
  child.kill("SIGKILL");
  await once(child, "exit");
  return { at, used };
}

async function launched(ask: (plugin: LaunchedPlugin) => Promise<unknown>) {
  const begin = performance.now();
  const plugin = await launchPlugin({ command: executable });
  await ask(plugin);
  const at = performance.now() - begin;
  const used = threadsCpuMs(plugin.pid);
  await kill(plugin);
  return { at, used, handshakeMs: plugin.handshakeMs };
}
