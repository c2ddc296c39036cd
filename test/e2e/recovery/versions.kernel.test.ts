/**
 * A node is upgraded and downgraded while fifty tasks run and others start, and each version is killed at work. The
 * later version is this one with a later schema of events, which this one refuses.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "rolldown";
import { beforeAll, expect, test } from "vitest";
import { EVENT_SCHEMA_VERSION } from "../../../src/machines/events.ts";
import {
  type Agent,
  pidOf,
  runTask,
  type StartedTask,
  startAgent,
  startedTask,
  waitTask,
} from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { onFileFinished } from "../../support/fileEnd.ts";
import { eventsOf, withEventLog } from "../../support/history/eventLog.ts";
import { findDefect } from "../../support/history/findDefect.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";

const tasks = 50;
/** So many tasks start and end at once beside them. */
const lanes = 4;
/** Of these, so many end before a version is killed, with the next ones at any point. */
const endsBefore = 12;

const later = EVENT_SCHEMA_VERSION + 1;
let laterEntry: string;

beforeAll(async () => {
  laterEntry = await buildLater();
});

test("fifty tasks outlive an upgrade, a downgrade and the next upgrade, each from a version that is killed under load", async () => {
  const exitCodeOf = (index: number) => 10 + index;
  let agent = await startAgent();
  const { stateDir } = agent;
  const gates: (() => void)[] = [];
  const running: StartedTask[] = [];
  for (let index = 0; index < tasks; index++) {
    const allocation = makeAllocation();
    gates.push(allocation.gate());
    running.push(
      await startedTask(agent, `read -r _ < "$NOMAD_TASK_DIR/gate"; exit ${exitCodeOf(index)}`, allocation),
    );
  }
  const others = Array.from({ length: lanes }, () => makeAllocation());

  for (const entry of [laterEntry, programEntry, laterEntry]) {
    await killUnderLoad(agent, others);
    agent = await startAgent({ stateDir, entry });
    for (const { handle } of running) await agent.driver.recoverTask({ taskId: "", handle });
    for (const { config, pid } of running) expect(await pidOf(agent, config)).toBe(pid);
    const refused = agent.stderrLines.filter((line) => line.includes(`has schema version ${later}`));
    if (entry === laterEntry) expect(refused).toEqual([]);
    else for (const { config } of running) expect(refused.join("\n")).toContain(config.id);
  }

  const ends = Promise.all(running.map(({ config }) => waitTask(agent, config)));
  for (const open of gates) open();
  expect(await ends).toEqual(
    running.map((_, index) => ({ exitCode: exitCodeOf(index), signal: 0, oomKilled: false })),
  );
  for (const { config } of running) await agent.driver.destroyTask({ taskId: config.id, force: false });
  await agent.close();

  const defects = await withEventLog(stateDir, (log) =>
    [...log.streams()].map((head) => findDefect(log.readRecords(head.stream), head)),
  );
  expect(defects.filter((defect) => defect !== undefined)).toEqual([]);
  for (const { config } of running) {
    const events = await eventsOf(stateDir, config.id);
    expect(events.map(({ type, schema }) => `${type} ${schema}`)).toEqual([
      ...["requested 1", "fingerprinted 1", "sandboxed 1", "started 1"],
      ...["recovered 2", "recovered 1", "recovered 2", "exited 2", "destroyed 2"],
    ]);
  }
}, 600_000);

/** Kills the plugin once some tasks have come and gone, while others start, run and end. */
async function killUnderLoad(agent: Agent, allocations: readonly Allocation[]): Promise<void> {
  const killed = new AbortController();
  let ended = 0;
  const load = allocations.map(async (allocation) => {
    while (!killed.signal.aborted) {
      try {
        const end = await runTask(agent, allocation.config("exit 3"));
        expect(end).toMatchObject({ exitCode: 3 });
        ended++;
      } catch (thrown) {
        if (!killed.signal.aborted) throw thrown;
      }
      if (ended >= endsBefore) killed.abort();
    }
  });
  const crash = new Promise<void>((resolve) =>
    killed.signal.addEventListener("abort", () => resolve(agent.crash()), { once: true }),
  );
  await Promise.all([crash, ...load]);
}

/** Bundles the sources with the later schema. @returns the entry, which is removed at the end of the file */
async function buildLater(): Promise<string> {
  const root = join(import.meta.dirname, "../../..");
  const declaring = join(root, "src/machines/events.ts");
  const declaration = `const EVENT_SCHEMA_VERSION = ${EVENT_SCHEMA_VERSION};`;
  // Not in the temporary folder: the bundle imports packages from the node_modules above its own folder.
  const folder = mkdtempSync(join(root, "node_modules/.cache/later-"));
  onFileFinished(() => rmSync(folder, { recursive: true }));
  await build({
    input: { main: join(root, "src/main.ts") },
    platform: "node",
    external: ["koffi", "lmdb", "@cdktn/hcl2json"],
    checks: { eval: false, ineffectiveDynamicImport: false },
    plugins: [
      {
        name: "a later schema",
        load(id) {
          if (id !== declaring) return null;
          const source = readFileSync(id, "utf8");
          expect(source).toContain(declaration);
          return {
            code: source.replace(declaration, `const EVENT_SCHEMA_VERSION: number = ${later};`),
            moduleType: "ts",
          };
        },
      },
    ],
    output: { dir: folder, format: "esm", chunkFileNames: "[name]-[hash].js" },
  });
  return join(folder, "main.js");
}
