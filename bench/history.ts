/**
 * Compares a plugin with a long history to one with an empty history: the time from launch to configuration,
 * and starts of tasks. As root, after `npm run build`: `node bench/history.ts [events] [folder]`. Ten million
 * events need some 6 GiB, and writing them takes minutes.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { LaunchedPlugin } from "../src/grpc/pluginClient.ts";
import type { EventToAppend } from "../src/store/eventStore.ts";
import { stateFolderPaths } from "../src/store/folder/stateFolder.ts";
import { openEventStore } from "../src/store/lmdb/lmdbEventStore.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { numberedId } from "../test/support/history/history.ts";
import { printFigure, printTimes, timed } from "./figures.ts";
import { kill, launch, life } from "./plugin.ts";

const events = Number(process.argv[2] ?? 1_000_000);
const launches = 10;
const starts = 200;
/** Number of tasks whose events are appended at once, in a few transactions. */
const atOnce = 1_000;
const base = mkdtempSync(join(process.argv[3] ?? "/var/lib", "exec2-bench-"));
const folders = { empty: join(base, "empty"), full: join(base, "full") };
const allocation = new Allocation();

try {
  for (const folder of Object.values(folders)) mkdirSync(folder, { mode: 0o700 });
  printFigure(`writing ${events} events`, `${((await timed(fill)) / 1_000).toFixed(0)} s`);
  await benchLaunches();
  await benchStarts();
} finally {
  await allocation.remove();
  rmSync(base, { recursive: true });
}

/** Writes whole lives of ended tasks, with data of a usual size. */
async function fill(): Promise<void> {
  const { events: path } = stateFolderPaths(folders.full);
  const store = await openEventStore(path);
  const whole = ["requested", "prepared", "running", "stopping", "exited", "destroyed"].map(eventTo);
  for (let task = 0; task * whole.length < events; ) {
    const streams = Array.from({ length: atOnce }, () => numberedId(task++));
    await Promise.all(streams.map((stream) => store.append(stream, 0, whole)));
  }
  await store.close();
}

function eventTo(to: string): EventToAppend {
  return {
    type: "signalled",
    schema: 1,
    time: Date.now(),
    data: { text: "x".repeat(200) },
    from: to,
    to,
    effects: [],
  };
}

async function benchLaunches(): Promise<void> {
  const times = { empty: [] as number[], full: [] as number[] };
  const killed = { empty: [] as number[], full: [] as number[] };
  for (let round = 0; round < launches; round++) {
    for (const name of ["empty", "full"] as const) {
      times[name].push(await timed(async () => (await launchWith(name)).close()));
    }
  }
  for (let round = 0; round < launches; round++) {
    for (const name of ["empty", "full"] as const) {
      await kill(await launchWith(name));
      killed[name].push(await timed(async () => (await launchWith(name)).close()));
    }
  }
  printTimes("baseline: a launch with an empty history, and the end", times.empty);
  printTimes("a launch with the long one, and the end", times.full, times.empty);
  printTimes("baseline: the same after the plugin was killed", killed.empty);
  printTimes("with the long one", killed.full, killed.empty);
}

function launchWith(name: keyof typeof folders): Promise<LaunchedPlugin> {
  // The bounds are so large that nothing is removed during the bench.
  const history = [{ keep: "87600h", max_size_mb: "100000" }];
  return launch({ state_dir: folders[name], history });
}

async function benchStarts(): Promise<void> {
  const plugins = { empty: await launchWith("empty"), full: await launchWith("full") };
  const times = { empty: [] as number[], full: [] as number[] };
  await prepareStart(plugins.empty.driver, allocation.config("true"));
  for (let round = -50; round < starts; round++) {
    for (const name of round % 2 === 0 ? (["empty", "full"] as const) : (["full", "empty"] as const)) {
      const ms = await life(plugins[name], allocation.config({ command: "/bin/true" }));
      if (round >= 0) times[name].push(ms);
    }
  }
  printTimes("baseline: StartTask with an empty history", times.empty);
  printTimes("StartTask with the long one", times.full, times.empty);
  for (const plugin of Object.values(plugins)) await plugin.close();
}
