/**
 * A job fills the event log with failing starts that have the largest arguments, so that the histories of other jobs are
 * removed. A plugin prunes its log from a minute after its start on; here, the log that it has left is pruned at once.
 */
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { HistoryPruner } from "../../src/driver/history/historyPruning.ts";
import { errorOfCall } from "../../src/grpc/status.ts";
import { stateFolderPaths } from "../../src/store/folder/stateFolder.ts";
import { openEventStore } from "../../src/store/lmdb/lmdbEventStore.ts";
import { type Agent, runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { Allocation } from "../support/agent/allocation.ts";
import { withEventLog } from "../support/history/eventLog.ts";
import { recordingLogger } from "../support/recordingLogger.ts";

const tenant = { namespace: "tenant", jobId: "web" };
const greedy = { namespace: "other", jobId: "greedy" };
/** Bytes of arguments that a history has; it has none if they are more. */
const recorded = 65_536;
const starts = 20;

/** @returns the id of a task that cannot start */
async function failedStart(agent: Agent, allocation: Allocation, args: readonly string[]): Promise<string> {
  const config = allocation.config({ command: "/nowhere/to/be/found", args }, greedy);
  expect(await startTask(agent, config).catch(errorOfCall)).toMatchObject({ code: "COMMAND_NOT_FOUND" });
  return config.id;
}

test.each([
  ["of its own job", greedy, 0],
  ["of no other job", tenant, 3],
])("failing starts with the largest arguments remove histories %s", async (_, victim, left) => {
  const agent = await startAgent();
  const allocation = new Allocation();
  onTestFinished(() => allocation.remove());
  const old: string[] = [];
  for (let run = 0; run < 3; run += 1) {
    const config = allocation.config("true", victim);
    old.push(config.id);
    await runTask(agent, config);
  }
  // Just below what the options of a task may have.
  const largest = Array.from({ length: 10 }, () => "x".repeat(100_000));
  const ids = [await failedStart(agent, allocation, largest)];
  for (let start = 1; start < starts; start += 1)
    ids.push(await failedStart(agent, allocation, ["x".repeat(recorded - 1_000)]));
  const [first = 0, ...others] = await bytesOf(agent, ids);
  expect(first).toBeLessThan(recorded);
  for (const bytes of others) expect(bytes).toBeGreaterThan(recorded / 2);
  // The history with the log's newest event always stays.
  await runTask(agent, allocation.config("true", { namespace: "default", jobId: "newest" }));
  await agent.close();
  const streams = await pruned(agent, 0.5);
  expect(old.filter((id) => streams.includes(id))).toHaveLength(left);
});

/** The sizes of histories in the log. */
function bytesOf({ stateDir }: Agent, ids: readonly string[]): Promise<number[]> {
  return withEventLog(stateDir, (log) =>
    ids.map((id) => JSON.stringify([...log.readStream(id)].map(({ data }) => data)).length),
  );
}

/** Prunes the log of a plugin that has ended to a part of its size. @returns the streams that are left */
async function pruned({ stateDir }: Agent, part: number): Promise<string[]> {
  const store = await openEventStore(stateFolderPaths(stateDir).events);
  onTestFinished(() => store.close());
  const maxBytes = store.bytes() * part;
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const pruner = new HistoryPruner({
    ...{ store, log: recordingLogger(), now: Date.now },
    bounds: () => ({ keepMs: Number.MAX_SAFE_INTEGER, maxBytes }),
    isHeld: () => false,
    archived: () => new Set(),
    removeFiles: () => undefined,
  });
  pruner.wake();
  await vi.advanceTimersByTimeAsync(60_000);
  while (store.bytes() > maxBytes) await setImmediate();
  await pruner.close();
  return Array.from(store.streams(), ({ stream }) => stream);
}
