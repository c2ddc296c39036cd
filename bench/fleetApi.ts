/**
 * Measures `fleet why` over clusters of the given numbers of allocations: its time from start to end, and its largest
 * memory. A server in a process of its own answers as Nomad does. One of ten nodes breaks what runs on it.
 *
 * After `npm run build`: `node bench/fleetApi.ts [allocations,…] [nodes] [rounds]`. With the baseline, an empty program
 * of the same runtime.
 */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { madeCluster } from "../test/support/nomad/cluster.ts";
import { startNomad } from "../test/support/nomad/fakeNomad.ts";
import { formatMib, percentile, printFigure, printTimes } from "./figures.ts";

const sizes = (process.argv[2] ?? "1000,10000").split(",").map(Number);
const nodes = Number(process.argv[3] ?? 300);
const rounds = Number(process.argv[4] ?? 5);
const program = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");

if (process.send !== undefined) {
  const broken = Array.from({ length: Math.ceil(nodes / 10) }, (_, index) => index * 10);
  const planted = { nodes: broken, kernel: "6.1.57", failing: 0.5 };
  const cluster = madeCluster({
    ...{ seed: 1, nodes, failing: 0.01, planted },
    allocations: Number(process.env.SIZE),
  });
  const { address } = await startNomad(cluster);
  process.send(address);
} else {
  const bare = await measure(process.execPath, ["-e", "0"], {});
  for (const size of sizes) {
    const server = fork(import.meta.filename, process.argv.slice(2), {
      env: { ...process.env, SIZE: String(size) },
    });
    try {
      const [address] = (await once(server, "message")) as [string];
      const { times, peaks } = await measure(program, ["fleet", "why", "web", "--json"], {
        NOMAD_ADDR: address,
      });
      printTimes(`${size} allocations on ${nodes} nodes`, times, bare.times);
      printFigure("  memory at most", formatMib(percentile(peaks, 1)));
    } finally {
      server.kill();
    }
  }
}

interface Measured {
  readonly times: readonly number[];
  /** KiB. */
  readonly peaks: readonly number[];
}

async function measure(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Measured> {
  const [times, peaks]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now();
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "inherit"],
    });
    let isOver = false;
    const over = once(child, "close").then(([code]) => {
      times.push(performance.now() - begun);
      isOver = true;
      if (code !== 0) throw new Error(`${args.join(" ")} exited with ${code}`);
    });
    let peak = 0;
    while (!isOver) {
      peak = Math.max(peak, peakOf(child.pid));
      await Promise.race([over, delay(10)]);
    }
    await over;
    peaks.push(peak);
  }
  return { times, peaks };
}

/** The largest resident memory of a process so far, in KiB: proc_pid_status(5). */
function peakOf(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
