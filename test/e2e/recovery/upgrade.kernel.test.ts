import { execFileSync, spawnSync } from "node:child_process";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import { EVENT_SCHEMA_VERSION } from "../../../src/machines/events.ts";
import type { EventToAppend, StoredEvent } from "../../../src/store/eventStore.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import {
  pidOf,
  readyTask,
  startAgent,
  startTask,
  waitTask,
  withoutOptions,
} from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { earlierLog } from "../../support/history/earlierLogs.ts";
import { eventsOf, withEventLog } from "../../support/history/eventLog.ts";
import { findDefect } from "../../support/history/findDefect.ts";
import { skipLoudly } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/** The last commit of the first schema version. */
const lastOfSchema1 = "59d3a7e954335cde5303fa58820f50394b19c7d8";

const gated = "echo up; read -r _ < $NOMAD_TASK_DIR/gate";

describe("tasks that the driver of the first schema version has started", () => {
  test("are taken over by the present driver, and end with their own codes", async (context) => {
    const { next, open, config, allocation, handle } = await upgraded(context, `${gated}; exit 19`);
    const pid = allocation.cgroup.processes().find((each) => each > 0);
    await next.driver.recoverTask({ taskId: "", handle });
    expect(await pidOf(next, config)).toBe(pid);
    const ended = waitTask(next, config);
    open();
    expect(await ended).toEqual({ exitCode: 19, signal: 0, oomKilled: false });
    await next.driver.destroyTask({ taskId: config.id, force: true });
    expect(await schemasOf(next.stateDir, config.id)).toEqual([
      ["requested", 1],
      ["fingerprinted", 1],
      ["sandboxed", 1],
      ["started", 1],
      ["recovered", EVENT_SCHEMA_VERSION],
      ["exited", EVENT_SCHEMA_VERSION],
      ["destroyed", EVENT_SCHEMA_VERSION],
    ]);
    await expectIntactLog(next.stateDir);
  });

  test("have the recorded codes if they ended before the present driver came", async (context) => {
    const { next, config, handle } = await upgraded(context, `${gated}; exit 23`, ({ open, allocation }) => {
      open();
      return allocation.cgroup.empty();
    });
    await next.driver.recoverTask({ taskId: "", handle });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 23 });
  });

  test("are stopped, signalled and killed by the present driver", async (context) => {
    const trap = "trap 'echo signalled' USR1; trap '' INT; echo up; while :; do sleep 1000 & wait; done";
    const { next, config, allocation, handle } = await upgraded(context, trap);
    await next.driver.recoverTask({ taskId: "", handle });
    await next.driver.signalTask({ taskId: config.id, signal: "SIGUSR1" });
    await allocation.stdout.contains("signalled\n");
    await next.driver.stopTask({ taskId: config.id, timeout: { seconds: 0, nanos: 1e6 }, signal: "" });
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 137, signal: 9 });
    expect(allocation.cgroup.processes()).toEqual([]);
  });

  test("need no event log: their handles are enough", async (context) => {
    const { next, open, config, handle } = await upgraded(context, `${gated}; exit 12`, ({ stateDir }) =>
      rmSync(stateFolderPaths(stateDir).events, { recursive: true }),
    );
    await next.driver.recoverTask({ taskId: "", handle });
    const ended = waitTask(next, config);
    open();
    expect(await ended).toMatchObject({ exitCode: 12 });
  });
});

/** Needs no earlier driver: rewrites the events of a running task in the form of the first schema version. */
test("a running task whose events were recorded by the first schema version is taken over", async () => {
  const agent = await startAgent();
  const allocation = makeAllocation();
  const open = allocation.gate();
  const { config, handle } = await readyTask(agent, `${gated}; exit 21`, allocation);
  await agent.crash();

  const events = await eventsOf(agent.stateDir, config.id);
  const log = stateFolderPaths(agent.stateDir).events;
  rmSync(log, { recursive: true });
  const store = await openEventStore(log);
  await store.append(config.id, 0, await asOfSchema1(events));
  await store.close();

  const next = await startAgent({ stateDir: agent.stateDir });
  await next.driver.recoverTask({ taskId: "", handle });
  const ended = waitTask(next, config);
  open();
  expect(await ended).toEqual({ exitCode: 21, signal: 0, oomKilled: false });
  expect((await schemasOf(next.stateDir, config.id)).map(([, schema]) => schema)).toEqual([
    ...[1, 1, 1, 1],
    ...[EVENT_SCHEMA_VERSION, EVENT_SCHEMA_VERSION],
  ]);
});

interface Between {
  readonly open: () => void;
  readonly allocation: Allocation;
  readonly stateDir: string;
}

/** A task of the earlier driver, whose plugin was killed and replaced by a plugin of the present version. */
async function upgraded(
  context: TestContext,
  script: string,
  meanwhile: (between: Between) => Promise<void> | void = () => {},
) {
  const earlier = await startAgent({ entry: earlierDriver(context, lastOfSchema1) });
  const allocation = makeAllocation();
  const open = allocation.gate();
  const config = allocation.config(script);
  // The earlier driver did not request a log collector, but could not start a task without one, so the test
  // reads the pipes.
  for (const pipe of [allocation.stdout, allocation.stderr]) pipe.start();
  const handle = await startTask(earlier, config);
  await allocation.stdout.contains("up\n");
  await earlier.crash();
  await meanwhile({ open, allocation, stateDir: earlier.stateDir });
  const next = await startAgent({ stateDir: earlier.stateDir });
  return { next, allocation, open, config, handle: withoutOptions(handle) };
}

/** The same events as the first schema version would have recorded them. */
async function asOfSchema1(events: readonly StoredEvent[]): Promise<EventToAppend[]> {
  const log = await openEventReader(earlierLog(1));
  const recorded = [...log.readAll()];
  await log.close();
  return events.map((event) => {
    const { data } = recorded.find(({ type }) => type === event.type) ?? {};
    return { ...event, schema: 1, data: withShapeOf(data, event.data) };
  });
}

function withShapeOf(shape: unknown, value: unknown): unknown {
  if (!isRecord(shape) || !isRecord(value)) return value;
  return Object.fromEntries(Object.keys(shape).map((key) => [key, withShapeOf(shape[key], value[key])]));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

async function schemasOf(stateDir: string, taskId: string): Promise<[string, number][]> {
  return (await eventsOf(stateDir, taskId)).map(({ type, schema }) => [type, schema]);
}

async function expectIntactLog(stateDir: string): Promise<void> {
  const defects = await withEventLog(stateDir, (log) =>
    [...log.streams()].map((head) => findDefect(log.readRecords(head.stream), head)),
  );
  expect(defects).toEqual(defects.map(() => undefined));
}

const checkout = join(import.meta.dirname, "../../..");

/**
 * The entry of the driver of an earlier commit, for the duration of the test: its sources with the present
 * libraries. A checkout without this commit, such as a shallow clone, skips the test with a message.
 */
function earlierDriver(context: TestContext, commit: string): string {
  const { status } = spawnSync("git", ["cat-file", "-e", `${commit}^{commit}`], { cwd: checkout });
  if (status !== 0) skipLoudly(context, `commit ${commit}`);
  const folder = temporaryFolder();
  const archive = execFileSync("git", ["archive", commit, "src", "package.json"], {
    cwd: checkout,
    maxBuffer: 1 << 26,
  });
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
  symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"));
  return join(folder, "src/main.ts");
}
