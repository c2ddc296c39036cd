/** The event `observed`, in a plugin as an agent runs it. */
import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { EventData } from "../../../src/machines/events.ts";
import { type Agent, readyTask, runTask, startAgent, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { observeProblem } from "../../support/host/observeProblem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

const problem = await observeProblem("the event observed");

const options = { unveil_by_task: true };

async function observedOf(stateDir: string, id: string): Promise<EventData<"observed">[]> {
  const events = await eventsOf(stateDir, id);
  return events.flatMap(({ type, data }) => (type === "observed" ? [data as EventData<"observed">] : []));
}

/** A folder of the host with files that everybody may read. */
function hostFolder(...names: readonly string[]): string {
  const folder = temporaryFolder("/var/tmp");
  chmodSync(folder, 0o755);
  for (const name of names) writeFileSync(`${folder}/${name}`, "text", { mode: 0o644 });
  return folder;
}

const script = (text: string) => ({ command: "sh", args: ["-c", text] });

describe.skipIf(problem !== undefined)("an observed run", () => {
  let agent: Agent;

  test("has what it used in one event before its end, and paths only for whoever asks for arguments", async () => {
    agent = await startAgent({ options: { ...options, observe: "on" } });
    const folder = hostFolder("used", "other");
    symlinkSync(folder, `${folder}/link`);
    const unveil = [`r:${folder}/link/used`, `r:${folder}/other`];
    const task = makeAllocation().config({
      ...script(`cat ${folder}/link/used; echo > $NOMAD_TASK_DIR/x`),
      unveil,
    });
    expect(await runTask(agent, task)).toMatchObject({ exitCode: 0 });
    const events = await eventsOf(agent.stateDir, task.id);
    expect(events.map(({ type }) => type).slice(-3)).toEqual(["observed", "exited", "destroyed"]);
    const [observed, ...more] = await observedOf(agent.stateDir, task.id);
    expect(more).toEqual([]);
    expect(observed).toMatchObject({ fromStart: true, isLast: true, lost: 0, connects: [] });
    expect(observed?.links).toEqual([{ path: `${folder}/link/used`, leadsTo: `${folder}/used` }]);
    expect(observed?.paths).toContain(`r:${folder}/used`);
    expect(observed?.paths).toContain(`:${folder}/link/used`);
    expect(observed?.paths.filter((path) => path.includes("other"))).toEqual([]);
    const own = observed?.paths.filter((path) => path.includes("/local"));
    expect(own).toEqual([expect.stringMatching(/^r?wc:.*\/local$/)]);
    const shown = async (...more: readonly string[]) =>
      (await call(["events", task.id, "--json", "--state-dir", agent.stateDir, ...more])).stdout;
    expect(await shown()).not.toContain(`${folder}/used`);
    expect(await shown("--show-args")).toContain(`r:${folder}/used`);
  });

  test("of a task that turns it off, or of a plugin that is off, has no such event", async () => {
    const off = makeAllocation().config({ ...script("true"), observe: "off" });
    await runTask(agent, off);
    expect(await observedOf(agent.stateDir, off.id)).toEqual([]);
    const other = await startAgent({ options });
    const asking = makeAllocation().config({ ...script("true"), observe: "on" });
    await runTask(other, asking);
    expect(await observedOf(other.stateDir, asking.id)).toEqual([]);
  });

  test("whose plugin is killed goes on with the next one, whose event says that it is the rest only", async () => {
    const first = await startAgent({ options: { ...options, observe: "on" } });
    const folder = hostFolder("before", "after");
    const text = `cat ${folder}/before; echo up; until [ -e ${folder}/go ]; do sleep 0.05; done; cat ${folder}/after`;
    const { config, handle } = await readyTask(first, { ...script(text), unveil: [`r:${folder}`] });
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir, options: { ...options, observe: "on" } });
    await next.driver.recoverTask({ taskId: "", handle });
    await expect
      .poll(async () => (await eventsOf(next.stateDir, config.id)).map(({ type }) => type))
      .toContain("recovered");
    writeFileSync(`${folder}/go`, "");
    expect(await waitTask(next, config)).toMatchObject({ exitCode: 0 });
    const [observed, ...more] = await observedOf(next.stateDir, config.id);
    expect(more).toEqual([]);
    expect(observed).toMatchObject({ fromStart: false, isLast: true });
    expect(observed?.paths).toContain(`r:${folder}/after`);
    expect(observed?.paths).not.toContain(`r:${folder}/before`);
    await next.driver.destroyTask({ taskId: config.id, force: true });
  });
});
