/** The plugin's option `candidate`, in a plugin as an agent runs it. */
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import type { EventData } from "../../../src/machines/events.ts";
import { runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { observeProblem } from "../../support/host/observeProblem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

const problem = await observeProblem("the option candidate");

function hostFolder(...names: readonly string[]): string {
  const folder = temporaryFolder("/var/tmp");
  chmodSync(folder, 0o755);
  for (const name of names) writeFileSync(`${folder}/${name}`, "text", { mode: 0o644 });
  return folder;
}

function candidateOf(job: string, config: string): string {
  const file = `${temporaryFolder()}/candidate.nomad.hcl`;
  writeFileSync(
    file,
    `job "${job}" {\n group "group" {\n task "main" {\n driver = "exec2"\n config {\n${config}\n}\n}\n}\n}\n`,
  );
  return file;
}

async function scraped(socketPath: string): Promise<string> {
  const [answer] = await once(request({ socketPath, path: "/metrics" }).end(), "response");
  return text(answer);
}

const place = (jobId: string) => ({ jobId, jobName: jobId, taskGroupName: "group" });

describe.skipIf(problem !== undefined)("a candidate", () => {
  test("refuses nothing, and says what it would refuse, in events, why, policy and metrics", async () => {
    const folder = hostFolder("kept", "dropped");
    const candidate = candidateOf(
      "shop",
      `command = "sh"\nunveil = ["r:${folder}/kept"]\nconnect_tcp = [443]`,
    );
    const metrics = join(temporaryFolder(), "metrics.sock");
    const agent = await startAgent({
      options: { unveil_by_task: true, observe: "on", candidate, metrics },
    });
    const state = ["--state-dir", agent.stateDir];
    const run = async (jobId: string) => {
      const config = {
        ...{ command: "sh", args: ["-c", `cat ${folder}/kept ${folder}/dropped`] },
        unveil: [`r:${folder}/kept`, `r:${folder}/dropped`],
      };
      const task = makeAllocation().config(config, place(jobId));
      expect(await runTask(agent, task)).toMatchObject({ exitCode: 0 });
      return task.id;
    };
    const judged = async (id: string) =>
      (await eventsOf(agent.stateDir, id)).filter(({ type }) => type === "wouldDeny");
    const id = await run("shop");
    const [event, ...more] = await judged(id);
    expect(more).toEqual([]);
    const types = (await eventsOf(agent.stateDir, id)).map(({ type }) => type);
    expect(types.slice(-2)).toEqual(["exited", "destroyed"]);
    // It may have been judged before the set was read for the last time.
    expect(types.slice(-4, -2).toSorted()).toEqual(["observed", "wouldDeny"]);
    expect(event?.data).toMatchObject({
      candidate,
      refused: [`r:${folder}/dropped`],
      others: 0,
      unclear: [],
    });
    expect(await judged(await run("other"))).toEqual([]);
    expect(await judged(await run("shop/dispatch-1700000000-0a1b2c3d"))).toHaveLength(1);
    const { stdout: why } = await call(["why", id, ...state]);
    expect(why.replaceAll(/\s+/g, " ")).toContain(`The candidate ${candidate} would have refused 1 thing`);
    const { stdout: masked } = await call(["events", id, ...state]);
    expect(masked).toContain("would have refused 1 thing");
    expect(masked).not.toContain(`${folder}/dropped`);
    const { stdout: policy } = await call(["policy", "shop", "--json", ...state]);
    expect(JSON.parse(policy).candidate).toMatchObject({
      ...{ file: candidate, others: 0, unclear: [] },
      refused: [{ what: `r:${folder}/dropped`, runs: 2 }],
    });
    const { stdout: shown } = await call(["policy", "shop", ...state]);
    expect(shown).toContain(`r:${folder}/dropped: 2 runs`);
    expect(await scraped(metrics)).toContain("\nexec2_would_deny_total 2\n");
  });

  test("judges a task while it runs, as soon as it has used anything new", async () => {
    const folder = hostFolder("kept", "dropped");
    const candidate = candidateOf("shop", `command = "sh"\nunveil = ["r:${folder}/kept"]`);
    const agent = await startAgent({ options: { unveil_by_task: true, observe: "on", candidate } });
    const text = `echo up; until [ -e ${folder}/go ]; do sleep 0.05; done; cat ${folder}/dropped; exec sleep 1000`;
    const config = makeAllocation().config(
      { command: "sh", args: ["-c", text], unveil: [`r:${folder}`] },
      place("shop"),
    );
    await startTask(agent, config);
    const refused = async () =>
      (await eventsOf(agent.stateDir, config.id)).flatMap(({ type, data }) =>
        type === "wouldDeny" ? (data as EventData<"wouldDeny">).refused : [],
      );
    writeFileSync(`${folder}/go`, "");
    await expect.poll(refused).toContain(`r:${folder}/dropped`);
    const types = (await eventsOf(agent.stateDir, config.id)).map(({ type }) => type);
    expect(types).not.toContain("exited");
    // Read, but not recorded before the hour, or the end.
    expect(types).not.toContain("observed");
    await agent.driver.destroyTask({ taskId: config.id, force: true });
    const ended = await eventsOf(agent.stateDir, config.id);
    const observed = ended.flatMap(({ type, data }) =>
      type === "observed" ? [data as EventData<"observed">] : [],
    );
    expect(observed).toHaveLength(1);
    expect(observed[0]?.paths).toContain(`r:${folder}/dropped`);
  });

  test("that cannot be read is a line of the node's health, and keeps no task from running", async () => {
    const candidate = candidateOf("shop", `command = "sh"\nunveil = ["strange"]`);
    const agent = await startAgent({ options: { unveil_by_task: true, observe: "on", candidate } });
    const fingerprints = collect(agent.driver.fingerprint({}));
    const { healthDescription } = await fingerprints.first(() => true);
    expect(healthDescription).toMatch(
      /no task is judged by the candidate \([^\n]*: entry 1 \("strange"\) has no colon[^\n]*$/,
    );
    const task = makeAllocation().config({ command: "true" }, place("shop"));
    expect(await runTask(agent, task)).toMatchObject({ exitCode: 0 });
  });
});
