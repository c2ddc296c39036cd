/** Tests a plugin with a log that a newer version has written. */
import { readdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { EVENT_SCHEMA_VERSION } from "../../../src/machines/events.ts";
import type { StoredEvent } from "../../../src/store/eventStore.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { pidOf, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { eventsOf, withEventLog } from "../../support/history/eventLog.ts";
import { findDefect } from "../../support/history/findDefect.ts";

const newer = EVENT_SCHEMA_VERSION + 1;

test("a running task of a newer version is taken over by its handle, and its events stay", async () => {
  const agent = await startAgent();
  const allocation = makeAllocation();
  const open = allocation.gate();
  const config = allocation.config("echo up; read -r _ < $NOMAD_TASK_DIR/gate; exit 21");
  const handle = await startTask(agent, config);
  const pid = await pidOf(agent, config);
  await agent.crash();
  const written = await eventsOf(agent.stateDir, config.id);
  await writeAsNewer(agent.stateDir, written);

  const earlier = await startAgent({ stateDir: agent.stateDir });
  await earlier.driver.recoverTask({ taskId: "", handle });
  expect(await pidOf(earlier, config)).toBe(pid);
  const ended = waitTask(earlier, config);
  open();
  expect(await ended).toEqual({ exitCode: 21, signal: 0, oomKilled: false });
  await earlier.driver.destroyTask({ taskId: config.id, force: true });
  await earlier.close();

  const { events } = stateFolderPaths(agent.stateDir);
  expect(readdirSync(dirname(events)).filter((name) => name.startsWith("events"))).toEqual(["events"]);
  const now = await eventsOf(agent.stateDir, config.id);
  const before = now.slice(0, written.length);
  expect(before.map(({ type, schema, data }) => [type, schema, data])).toEqual(
    written.map(({ type, data }) => [type, newer, data]),
  );
  // The earlier version has added its events, and the later version can read them.
  expect(now.slice(written.length).map(({ type, schema }) => [type, schema])).toEqual(
    ["recovered", "exited", "destroyed"].map((type) => [type, EVENT_SCHEMA_VERSION]),
  );
  const defects = await withEventLog(agent.stateDir, (log) =>
    [...log.streams()].map((head) => findDefect(log.readRecords(head.stream), head)),
  );
  expect(defects).toEqual([undefined]);
});

/** Writes the same log as a newer version would, with events that this version does not know. */
async function writeAsNewer(stateDir: string, events: readonly StoredEvent[]): Promise<void> {
  const folder = stateFolderPaths(stateDir).events;
  rmSync(folder, { recursive: true });
  const store = await openEventStore(folder);
  await store.append(
    events[0]?.stream ?? "",
    0,
    events.map((event) => ({ ...event, schema: newer })),
  );
  await store.close();
}
