/** A plugin finds its event log damaged when it starts. */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { type Agent, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { eventsOf } from "../../support/history/eventLog.ts";

const dataOf = ({ stateDir }: Agent) => join(stateFolderPaths(stateDir).events, "data.mdb");

const quarantinedIn = ({ stateDir }: Agent) =>
  readdirSync(stateDir).filter((name) => name.includes("damaged"));

const damages: readonly [string, (file: string) => void][] = [
  [
    "cut to half its length",
    (file) => truncateSync(file, Math.floor(readFileSync(file).length / 8192) * 4096),
  ],
  ["text", (file) => writeFileSync(file, "not a database\n".repeat(100_000))],
  [
    "noise after its meta pages",
    (file) => {
      const data = readFileSync(file);
      data.fill(0xa5, 8192);
      writeFileSync(file, data);
    },
  ],
];

describe("at a plugin's start, a log", () => {
  test.each(damages)(
    "%s: is renamed and reported, and a running task is recovered",
    async (_name, damage) => {
      const first = await startAgent();
      const allocation = makeAllocation();
      const open = allocation.gate();
      const config = allocation.config("read -r _ < $NOMAD_TASK_DIR/gate; exit 5");
      const handle = await startTask(first, config);
      await first.crash();
      damage(dataOf(first));
      const damaged = readFileSync(dataOf(first));

      const next = await startAgent({ stateDir: first.stateDir });
      const [aside, second] = quarantinedIn(next);
      expect([aside, second]).toEqual([
        expect.stringMatching(/^events\.damaged-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/),
        undefined,
      ]);
      const folder = join(next.stateDir, aside as string);
      expect(readFileSync(join(folder, "data.mdb")).equals(damaged)).toBe(true);
      expect(readdirSync(folder).sort()).toEqual(["checkpoint", "data.mdb", "lock.mdb"]);
      expect(next.stderrLines.filter((line) => line.includes("STORE_DAMAGED"))).toHaveLength(1);
      const fingerprint = await collect(next.driver.fingerprint({})).first(() => true);
      expect(fingerprint.healthDescription).toContain(`has been renamed to ${folder}`);

      await next.driver.recoverTask({ taskId: "", handle });
      const ended = waitTask(next, config);
      open();
      expect(await ended).toMatchObject({ exitCode: 5 });
      const types = (await eventsOf(next.stateDir, config.id)).map(({ type }) => type);
      expect([types[0], types.at(-1)]).toEqual(["requested", "exited"]);
    },
  );

  test("is not renamed if it is intact, although the last plugin crashed", async () => {
    const first = await startAgent();
    await runTask(first, makeAllocation().config("exit 0"));
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir });
    await next.driver.capabilities({});
    expect(quarantinedIn(next)).toEqual([]);
    expect(existsSync(dataOf(next))).toBe(true);
  });
});
