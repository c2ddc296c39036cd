/** The plugin rehearses starts while it is idle. A rehearsal must leave no trace. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { runTask, startAgent } from "../../support/agent/agent.ts";
import { Allocation } from "../../support/agent/allocation.ts";
import { eventually } from "../../support/host/eventually.ts";
import { leftSince, nothingLeft, tracesOf } from "../../support/plugin/pluginTraces.ts";

const runFolders = (stateDir: string) => readdirSync(stateFolderPaths(stateDir).run);

/** A spare run folder shows that a start was rehearsed. */
const isSpare = (name: string) => name.startsWith("spare-");

const hasPrepared = (stateDir: string) => runFolders(stateDir).some(isSpare);

/** Waits for the end of a rehearsal. */
const rehearsed = (stateDir: string) =>
  eventually(() => {
    const names = runFolders(stateDir);
    expect({ hasSpare: names.some(isSpare), rehearses: names.includes("rehearsal"), names }).toMatchObject({
      ...{ hasSpare: true, rehearses: false },
    });
  });

it.each(["agent", "driver"])(
  "a rehearsal begins by itself, and leaves no task, process, folder or descriptor (logs by the %s)",
  async (log_collection) => {
    const agent = await startAgent({ options: { log_collection } });
    const before = tracesOf(agent);
    await rehearsed(agent.stateDir);
    const reader = await openEventReader(stateFolderPaths(agent.stateDir).events);
    expect([...reader.streams()]).toEqual([]);
    await reader.close();
    await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
    const allocation = new Allocation();
    expect(await runTask(agent, allocation.config({ command: "/bin/true" }))).toMatchObject({ exitCode: 0 });
    await allocation.remove();
  },
);

it("a rehearsal is interrupted by a start, and by the plugin's end", async () => {
  const agent = await startAgent();
  await eventually(() => expect(hasPrepared(agent.stateDir)).toBe(true));
  const allocation = new Allocation();
  expect(await runTask(agent, allocation.config({ command: "/bin/true" }))).toMatchObject({ exitCode: 0 });
  await allocation.remove();
  await agent.close();
  expect(readdirSync(stateFolderPaths(agent.stateDir).run)).toEqual([]);
});

it("a rehearsal whose plugin is killed leaves nothing to a later plugin", async () => {
  const agent = await startAgent();
  // It lasts some milliseconds.
  await vi.waitFor(() => expect(readdirSync(join(agent.stateDir, "run"))).toContain("rehearsal"), {
    timeout: 60_000,
    interval: 1,
  });
  await agent.crash();
  const next = await startAgent({ stateDir: agent.stateDir });
  await rehearsed(next.stateDir);
  await next.close();
  expect(readdirSync(stateFolderPaths(next.stateDir).run)).toEqual([]);
});
