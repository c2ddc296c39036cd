/**
 * Measures restarts of a plugin on a node with a thousand tasks in the log: the reconciliation at start-up
 * and RecoverTask, compared with baselines of the same run. As root, after `npm run build`: `node
 * bench/recovery.ts [tasks]`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TaskHandle } from "../src/grpc/generated/nomad/driver.ts";
import { type LaunchedPlugin, launchPlugin } from "../src/grpc/pluginClient.ts";
import { Allocation } from "../test/support/agent/allocation.ts";
import { setConfig } from "../test/support/agent/requests.ts";
import { prepareStart } from "../test/support/agent/taskClient.ts";
import { printFigure, printTimes, timed } from "./statistics.ts";

const tasks = Number(process.argv[2] ?? 1000);
const live = Math.ceil(tasks / 20);
/** Tasks that end while no plugin runs. The remaining ones have ended before. */
const unseen = Math.floor((tasks - live) / 2);
const rounds = 5;
const executable = join(import.meta.dirname, "../dist/plugin/nomad-driver-exec2");
const base = mkdtempSync("/var/lib/exec2-bench-");
const allocation = new Allocation();

interface BenchTask {
  readonly kind: "live" | "unseen" | "over";
  readonly handle: TaskHandle;
  readonly pid: number;
}

try {
  const all = await startTasks();
  await benchStartUp();
  await benchRecovery(all);
} finally {
  await allocation.remove();
  rmSync(base, { recursive: true });
}

/** Starts the tasks and kills the plugin. The result is in the order of the log. */
async function startTasks(): Promise<BenchTask[]> {
  const plugin = await launchPlugin({ command: executable });
  await configure(plugin, "full");
  const started: BenchTask[] = [];
  for (let index = 0; index < tasks; index++) {
    const kind = index < live ? "live" : index < live + unseen ? "unseen" : "over";
    started.push(await startTask(plugin, kind));
  }
  await kill(plugin);
  for (const { kind, pid } of started) if (kind === "unseen") process.kill(pid);
  while (allocation.cgroup.processes().length > live) await once(spawn("sleep", ["0.1"]), "exit");
  return started;
}

async function startTask({ driver }: LaunchedPlugin, kind: BenchTask["kind"]): Promise<BenchTask> {
  const config = allocation.config(
    kind === "over" ? { command: "/bin/true" } : { command: "/bin/sleep", args: ["600"] },
  );
  const task = await prepareStart(driver, config);
  const { handle } = await driver.startTask({ task });
  if (handle === undefined) throw new Error("a start without a handle");
  const { driver: status } = await driver.inspectTask({ taskId: task.id });
  if (kind === "over") await driver.waitTask({ taskId: task.id });
  return { kind, handle, pid: Number(status?.attributes.get("pid")) };
}

/**
 * Measures SetConfig, which opens and reconciles the event log: with all those tasks, and with an empty log.
 */
async function benchStartUp(): Promise<void> {
  const times = { empty: [] as number[], full: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    for (const name of ["empty", "full"] as const) {
      const plugin = await launchPlugin({ command: executable });
      times[name].push(await timed(() => configure(plugin, name)));
      await kill(plugin);
    }
  }
  printTimes("baseline: configuring, no task in the log", times.empty);
  printTimes(`configuring, reconcile of ${tasks} tasks`, times.full, times.empty);
}

/** Recovers one task after another, as a restarted agent does, then all at once. */
async function benchRecovery(all: readonly BenchTask[]): Promise<void> {
  const plugin = await launchPlugin({ command: executable });
  await configure(plugin, "full");
  const times = {
    call: [] as number[],
    spawn: [] as number[],
    live: [] as number[],
    unseen: [] as number[],
    over: [] as number[],
  };
  for (const [index, { kind, handle }] of all.toSorted(byId).entries()) {
    if (index % 10 === 0) {
      times.call.push(await timed(() => plugin.driver.capabilities({})));
      times.spawn.push(await timed(() => once(spawn("/bin/true", { stdio: "ignore" }), "exit")));
    }
    times[kind].push(await timed(() => plugin.driver.recoverTask({ taskId: "", handle })));
  }
  printTimes("baseline: spawn of /bin/true", times.spawn);
  printTimes("baseline: a call that does nothing", times.call);
  printTimes(`RecoverTask of ${times.live.length} running tasks`, times.live, times.spawn);
  printTimes(`RecoverTask of ${times.unseen.length} that ended meanwhile`, times.unseen, times.spawn);
  printTimes(`RecoverTask of ${times.over.length} that were over`, times.over, times.spawn);
  const sum = [...times.live, ...times.unseen, ...times.over].reduce((total, ms) => total + ms, 0);
  printFigure(
    `RecoverTask of all ${all.length}`,
    `${sum.toFixed(0)} ms, ${(sum / all.length).toFixed(2)} ms each`,
  );
  await kill(plugin);

  const next = await launchPlugin({ command: executable });
  await configure(next, "full");
  const together = await timed(() =>
    Promise.all(all.map(({ handle }) => next.driver.recoverTask({ taskId: "", handle }))),
  );
  printFigure("the same, all calls at once", `${(together / all.length).toFixed(2)} ms each`);
  await kill(next);
}

/** Orders tasks by their ids, which end in random digits, so that the kinds are mixed. */
function byId(one: BenchTask, other: BenchTask): number {
  return idOf(one) < idOf(other) ? -1 : 1;
}

function idOf({ handle }: BenchTask): string {
  return handle.config?.id ?? "";
}

async function configure({ base: service, driver }: LaunchedPlugin, name: string): Promise<void> {
  await service.setConfig(setConfig({ state_dir: join(base, name) }));
  await driver.init({});
}

async function kill(plugin: LaunchedPlugin): Promise<void> {
  process.kill(plugin.pid, "SIGKILL");
  await plugin.exited;
  plugin.disconnect();
}
