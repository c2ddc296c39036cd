/**
 * Measures the cost of a private root: the time to a task's first byte, compared with that of a task with the
 * host's tree, on a host with few mounts and on one with 500. Also measures the plugin's memory for 50
 * different roots. As root, after `npm run build`: `node bench/root.ts [rounds]`.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { launchPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { formatMib, percentile, printFigure, printTimes, pssOf } from "./statistics.ts";

const rounds = Number(process.argv[2] ?? 200);
const manyMounts = 500;
const manyRoots = 50;
const executable = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");
const folder = mkdtempSync("/var/lib/exec2-bench-root-");
// A task gets no path that its user cannot reach.
chmodSync(folder, 0o755);

try {
  await benchOn("an ordinary host", hostWith(0));
  await benchOn(`a host with ${manyMounts} mounts more`, hostWith(manyMounts));
} finally {
  rmSync(folder, { recursive: true });
}

/**
 * A program that runs the plugin among shared mounts, as systemd makes them, and among many mounts, as
 * containers and CSI make them.
 */
function hostWith(count: number): string {
  const mounts = join(folder, `mounts-${count}`);
  for (let number = 0; number < count; number++) mkdirSync(join(mounts, `${number}`), { recursive: true });
  const program = join(folder, `plugin-among-${count}`);
  const script = [
    "mount --make-rshared /",
    ...(count > 0 ? [`for folder in ${mounts}/*; do mount -t tmpfs none "$folder"; done`] : []),
    `exec ${executable} "$@"`,
  ].join("; ");
  writeFileSync(program, `#!/bin/sh\nexec unshare -m sh -c '${script}' plugin "$@"\n`, { mode: 0o755 });
  return program;
}

async function benchOn(host: string, command: string): Promise<void> {
  console.log(`${host}:`);
  const plugin = await launchPlugin({ command });
  await plugin.base.setConfig(
    setConfig({ state_dir: mkdtempSync(`${folder}/state-`), allow_host_root: true, unveil_by_task: true }),
  );
  await plugin.driver.init({});
  const allocation = new Allocation();
  await prepareStart(plugin.driver, allocation.config("true"));
  const firstByte = async (options: object) => {
    const text = `(${Math.random()})`;
    const task = allocation.config({ command: "/bin/echo", args: [text], ...options });
    const begin = performance.now();
    const output = allocation.stdout.contains(text).then(() => performance.now() - begin);
    await plugin.driver.startTask({ task });
    const time = await output;
    await plugin.driver.waitTask({ taskId: task.id });
    await plugin.driver.destroyTask({ taskId: task.id, force: true });
    await delay(5);
    return time;
  };
  const times = { host: [] as number[], private: [] as number[] };
  for (let round = -30; round < rounds; round++) {
    // In random order: the plugin collects garbage every few starts, and that must not always hit the same
    // mode.
    const modes = ["host", "private"] as const;
    for (const root of Math.random() < 0.5 ? modes : modes.toReversed()) {
      const time = await firstByte({ root });
      if (round >= 0) times[root].push(time);
    }
  }
  printTimes("  first byte, the host's tree", times.host);
  printTimes("  first byte, a root of the task's own", times.private);
  const ratio = percentile(times.private, 0.5) / percentile(times.host, 0.5);
  printFigure("  private root / host's tree", `${ratio.toFixed(3)} ×`);

  const growth = async (pathOf: (number: number) => string) => {
    const before = pssOf(plugin.pid);
    for (let number = 0; number < manyRoots; number++) {
      const path = join(folder, pathOf(number));
      mkdirSync(path, { recursive: true });
      await firstByte({ unveil: [`r:${path}`] });
    }
    return pssOf(plugin.pid) - before;
  };
  await growth(() => "same");
  const [same, different] = [await growth(() => "same"), await growth((number) => `unveiled-${number}`)];
  printFigure(`  memory (PSS) after ${manyRoots} starts that share one further root`, formatMib(same));
  printFigure(`  memory (PSS) after ${manyRoots} starts with different roots`, formatMib(different));
  await plugin.close();
  await allocation.remove();
}
