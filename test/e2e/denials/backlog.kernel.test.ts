/** Audit's queue is made long enough for what many tasks are denied at once, also if others have turned audit on. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AuditStatus, auditStatus, setAudit } from "../../../src/effects/denials/auditSocket.ts";
import { findDenialProblem } from "../../../src/effects/denials/denialWatch.ts";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { History } from "../../../src/history/replay/history.ts";
import { readHistory } from "../../../src/history/replay/storedHistory.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { type Agent, runTask, startAgent } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { setConfig } from "../../support/agent/requests.ts";

const problem = await findDenialProblem("on", landlockAbi());
if (problem !== undefined) console.warn(`NOT TESTED: audit's queue, since ${problem}`);

/** The kernel's default, which systemd-journald leaves when it turns audit on. */
const usual = 64;

describe.skipIf(problem !== undefined)("on a host whose audit is on, with a short queue", () => {
  let before: AuditStatus;
  beforeAll(async () => {
    before = await auditStatus();
  });
  afterAll(async () => {
    await setAudit({ enabled: before.enabled !== 0, backlogLimit: before.backlogLimit });
  });
  const limit = async () => (await auditStatus()).backlogLimit;

  test.each(["auto", "on"])("with denials = %j, all denials of many tasks are counted", async (denials) => {
    await setAudit({ enabled: true, backlogLimit: usual });
    const agent = await startAgent({ options: { root: "host", denials } });
    expect(await limit()).toBe(8_192);
    const counts = [1, 40, 300, 1_001];
    const tasks = counts.map((count) => {
      const code = `for (1 .. ${count}) { open F, "<", "/etc/passwd" }; exit 3`;
      return makeAllocation().config({ command: "perl", args: ["-e", code] });
    });
    await Promise.all(tasks.map((task) => runTask(agent, task)));
    for (const [index, { id }] of tasks.entries())
      expect(await refusedReads(agent, id)).toEqual([[expect.stringMatching(/perl$/), counts[index]]]);
    await agent.close();
    expect(await limit()).toBe(usual);
  });

  test("the queue stays long until the last plugin ends, and a limit that somebody has set stays", async () => {
    await setAudit({ enabled: true, backlogLimit: usual });
    const [one, other] = [await startAgent(), await startAgent()];
    await one.close();
    expect(await limit()).toBe(8_192);
    await setAudit({ backlogLimit: 16_384 });
    await other.close();
    expect(await limit()).toBe(16_384);
  });

  test("a plugin that was killed leaves the queue long, and the next one restores it", async () => {
    await setAudit({ enabled: true, backlogLimit: usual });
    const killed = await startAgent();
    await killed.crash();
    expect(await limit()).toBe(8_192);
    await (await startAgent({ stateDir: killed.stateDir })).close();
    expect(await limit()).toBe(usual);
  });

  test('denials = "off" restores the queue, but leaves an audit on that others have turned on', async () => {
    await setAudit({ enabled: true, backlogLimit: usual });
    const agent = await startAgent();
    expect(await limit()).toBe(8_192);
    await agent.base.setConfig(setConfig({ denials: "off", state_dir: agent.stateDir }));
    expect(await auditStatus()).toMatchObject({ enabled: 1, backlogLimit: usual });
  });
});

/** What reads of /etc/passwd were refused, by the program: its path and a count. */
async function refusedReads({ stateDir }: Agent, id: string): Promise<[string | null, number][]> {
  const reader = await openEventReader(stateFolderPaths(stateDir).events);
  try {
    const { denials } = new History(id, readHistory(reader, id)).finalState.context;
    return denials.refusals
      .filter(({ object }) => object === "/etc/passwd")
      .map(({ program, count }) => [program, count]);
  } finally {
    await reader.close();
  }
}
