/** A round: it runs tasks, kills their plugin, and checks that no task, event or exit code is lost. */

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stateFolderPaths } from "../../src/store/folder/stateFolder.ts";
import { Allocation } from "../support/agent/allocation.ts";
import { loggersIn, loggersOf } from "../support/agent/loggers.ts";
import { withEventLog } from "../support/history/eventLog.ts";
import { Journal } from "../support/host/journal.ts";
import { processesNamed } from "../support/host/processes.ts";
import { mountSmallFileSystem, unmount } from "../support/host/smallFileSystem.ts";
import { persistentFolders } from "../support/host/temporaryFolder.ts";
import { until } from "../support/host/until.ts";
import { runFoldersIn } from "../support/plugin/pluginTraces.ts";
import { allOver, checkLog, type EndStates, endStates } from "./checkLog.ts";
import { CrashAgent } from "./crashAgent.ts";
import { type FullDisk, type LogCollection, type RoundPlan, roundOf } from "./roundPlan.ts";
import { TaskLife } from "./taskLife.ts";

export interface RoundOutcome {
  /** How many plugins were killed. */
  readonly deaths: number;
}

/** How long to wait for something that must happen. */
const patienceMs = 60_000;

/**
 * @param entry the plugin to launch
 * @throws Error naming the violated condition, with the end of the plugin's log
 */
export async function runRound(plan: RoundPlan, entry: string): Promise<RoundOutcome> {
  const { lives: plans, crashes, fullDisk, logs = "agent" } = plan;
  const folder = mkdtempSync(`${persistentFolders}/exec2-crash-`);
  const disk = join(folder, "disk");
  mkdirSync(disk);
  if (fullDisk) mountSmallFileSystem(disk, diskSize);
  const stateDir = join(disk, "state");
  const sockets = join(folder, "sockets");
  mkdirSync(sockets);
  // One task would reach the usual limit of the rate.
  const journal = logs === "journald" ? new Journal(["RateLimitIntervalSec=0"]) : undefined;
  await journal?.start();
  const marker = `exec2-crash-${randomBytes(8).toString("hex")}`;
  const lives: TaskLife[] = [];
  // With a full disk, events that the log refused are lost with the plugin that kept them, although the agent
  // has learned of them.
  const readLog = () => checkedLog(stateDir, fullDisk ? [] : lives);
  // The plugin may still be writing. If the plugin dies even now, the next plugin finishes its work.
  const readStates = async () => {
    await agent.insist((calls) => calls.capabilities({}));
    return withEventLog(stateDir, endStates);
  };
  const onDeath = async () => void (await readLog());
  const agent = new CrashAgent({ entry, stateDir, sockets, logs, journal, crashes, onDeath });
  try {
    lives.push(...plans.map((plan) => new TaskLife(plan, agent, new Allocation(), marker)));
    const filled = fullDisk && fill(disk, fullDisk, agent);
    await within(patienceMs, Promise.all(lives.map((life) => life.live())));
    await filled;
    await within(2 * patienceMs, settle(lives, readStates, marker));
    await becomes(async () => {
      // If the plugin dies even now, the next plugin removes what is left.
      await agent.insist((calls) => calls.capabilities({}));
      const cgroups = lives.flatMap(({ allocation }) => allocation.cgroup.below());
      return runFoldersIn(stateDir).length === 0 && cgroups.length === 0;
    }, "the run folders and the runs' cgroups are gone");
    await becomes(async () => allOver(await readStates(), []), "all tasks are over according to the log");
    await agent.close();
    if (!allOver(await readLog(), [])) throw new Error("a task that was over is not over any more");
    for (const { allocation } of lives) checkNoLogger(allocation);
    return { deaths: agent.deaths };
  } catch (thrown) {
    const doing = lives.map((life) => `${life.taskId}: ${life.doing}`);
    throw new Error(
      `${(thrown as Error).message}\n${doing.join("\n")}\nThe plugin said last:\n${agent.log.join("\n")}`,
      {
        cause: thrown,
      },
    );
  } finally {
    await agent.close().catch(() => undefined);
    for (const { allocation } of lives) await allocation.remove();
    await journal?.remove();
    if (fullDisk) unmount(disk);
    rmSync(folder, { recursive: true });
  }
}

/**
 * Runs the round of a seed.
 * @throws Error as {@link runRound} does, with the round and the command that repeats it
 */
export async function runRoundOf(seed: number, logs: LogCollection, entry: string): Promise<RoundOutcome> {
  const plan = roundOf(seed, logs);
  return runRound(plan, entry).catch((thrown: Error) => {
    const repeat = `To repeat it: npm run test:crash -- 1 ${seed} ${logs}`;
    const message = `seed ${seed}: ${thrown.message}\nThe round: ${JSON.stringify(plan)}\n${repeat}`;
    throw new Error(message, { cause: thrown });
  });
}

/** Waits until only the expected tasks run and the log knows their states. Then ends these tasks, too. */
async function settle(
  lives: readonly TaskLife[],
  readStates: () => Promise<EndStates>,
  marker: string,
): Promise<void> {
  const left = lives.filter(({ plan }) => plan.agent === "leaves");
  for (const life of left) {
    // The beginning of the task's script may still be running.
    await becomes(async () => {
      const { pid } = await life.inspect();
      const processes = life.allocation.cgroup.processes();
      const relays = loggersOf(processes);
      return processes.filter((each) => !relays.includes(each)).join() === String(pid);
    }, `only the process that the plugin reports runs in the cgroup of ${life.taskId}`);
    // After a full disk the log lags behind. If the plugin dies even now, the next plugin records more
    // events.
    await becomes(async () => {
      const { state } = await life.inspect();
      return (await readStates()).get(life.taskId) === state;
    }, `the log has ${life.taskId} in the state that the plugin reports`);
  }
  for (const life of lives) if (!left.includes(life)) await life.allocation.cgroup.empty();
  const running = left.map(({ taskId }) => taskId);
  await becomes(
    async () => allOver(await readStates(), running),
    "all other tasks are over according to the log",
  );
  for (const life of left) await life.destroy();
  for (const { allocation } of lives) await allocation.cgroup.empty();
  await becomes(() => processesNamed(marker).length === 0, "no process of the round is left");
}

/** Fills the disk, and frees it again. */
async function fill(disk: string, { fromMs, toMs }: FullDisk, agent: CrashAgent): Promise<void> {
  // Waits until the first plugin runs and has created the log.
  await agent.insist((calls) => calls.capabilities({}));
  await delay(fromMs);
  const filler = join(disk, "filler");
  try {
    writeFileSync(filler, Buffer.alloc(parseInt(diskSize, 10) << 20));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOSPC") throw thrown;
  }
  await delay(toMs - fromMs);
  rmSync(filler);
}

/** Size of the disk: a number of MiB, with the unit as mount(8) writes it. */
const diskSize = "40m";

/** @throws Error if a logger has outlived its run */
function checkNoLogger({ id, folder }: Allocation): void {
  const left = loggersIn(`${folder}/alloc/logs`);
  if (left.length > 0) throw new Error(`the loggers ${left} of allocation ${id} are left`);
}

async function checkedLog(stateDir: string, lives: readonly TaskLife[]): Promise<EndStates> {
  const promised = lives.flatMap((life) => life.promised);
  // If the agent has learned of nothing, the plugin may have been killed before it created a log.
  if (promised.length === 0 && !existsSync(join(stateFolderPaths(stateDir).events, "data.mdb")))
    return new Map();
  return withEventLog(stateDir, (log) => checkLog(log, promised));
}

function becomes(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  return until(condition, what, patienceMs);
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const tooLate = new AbortController();
  const late = delay(ms, undefined, { signal: tooLate.signal }).then(() => {
    throw new Error(`the round has not ended after ${ms / 1000} s`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    tooLate.abort();
  }
}
