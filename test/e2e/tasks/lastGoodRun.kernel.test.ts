/** A failed run beside the last good run of the same task, with the real plugin. */
import { chmodSync, existsSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import type { EventData } from "../../../src/machines/events.ts";
import { type Agent, pidOf, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { type Allocation, type Differing, makeAllocation } from "../../support/agent/allocation.ts";
import { busyboxTree } from "../../support/agent/busyboxTree.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { hostFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: { allow_root_dir: true, unveil_by_task: true } });
});

async function exitOf(id: string, { stateDir } = agent): Promise<EventData<"exited">> {
  const exited = (await eventsOf(stateDir, id)).find(({ type }) => type === "exited");
  return exited?.data as EventData<"exited">;
}

async function why(id: string, { stateDir } = agent): Promise<string> {
  const { stdout } = await call(["why", id, "--state-dir", stateDir]);
  return stdout.replaceAll(/\s+/g, " ");
}

function writeScript(path: string, text: string): void {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
}

/** Runs a command in an allocation, and returns the run's id. */
async function run(allocation: Allocation, options: object, differing: Differing = {}): Promise<string> {
  const config = allocation.config({ ...options }, differing);
  await runTask(agent, config);
  return config.id;
}

/** Runs the script `local/app` in an allocation of its own. */
async function runScript(text: string, jobId: string): Promise<string> {
  const allocation = makeAllocation();
  writeScript(`${allocation.taskFolder}/local/app`, text);
  return run(allocation, { command: "local/app" }, { jobId });
}

/** The exit message of a run of a script in an allocation of its own, and the run's id. */
async function messageOf(
  script: string,
  differing: Differing,
  plugin = agent,
): Promise<readonly [err: string, id: string]> {
  const allocation = makeAllocation();
  allocation.stdout.keepFile();
  allocation.stderr.keepFile();
  const config = allocation.config(script, differing);
  await startTask(plugin, config);
  const { err } = await plugin.driver.waitTask({ taskId: config.id });
  await plugin.driver.destroyTask({ taskId: config.id, force: true });
  return [err, config.id];
}

const silent = '[ "$MODE" = good ]';

describe("a failed run without a known cause", () => {
  test("has one or two changes since the last good run in its exit message, without values", async () => {
    const message = async (env: Readonly<Record<string, string>>, script = silent) =>
      (await messageOf(script, { jobId: "changes", env }))[0];
    const secret = { DB_PASSWORD: "geheim" };
    expect(await message(secret)).toBe("");
    expect(await message({ ...secret, MODE: "good" })).toBe("");
    expect(await message(secret)).toMatch(
      /^since the last good run: variable MODE is missing \(nomad-driver-exec2 why [0-9a-f]{8}\/main\)$/,
    );
    expect(await message({})).toMatch(
      /^since the last good run: variable DB_PASSWORD is missing; variable MODE is missing \(/,
    );
    expect(await message({ OTHER: "geheim" })).toBe("");
    expect(await message({ ...secret, MODE: "bad" })).toBe("");
    expect(await message({ ...secret, MODE: "good" }, `${silent} && exit 3`)).toMatch(
      /^since the last good run: options\.args differs \(/,
    );
    expect(await message({}, "cat /etc/login.defs")).toMatch(/^its last line names \/etc\/login\.defs/);
  });

  test("that ended while no plugin ran is compared, too", async () => {
    const first = await startAgent();
    const start = async (env: Readonly<Record<string, string>>) => {
      const allocation = makeAllocation();
      const open = allocation.gate();
      const script = `read -r _ < $NOMAD_TASK_DIR/gate; ${silent}`;
      const config = allocation.config(script, { jobId: "unseen", env });
      return { config, open, handle: await startTask(first, config) };
    };
    const good = await start({ MODE: "good" });
    good.open();
    await waitTask(first, good.config);
    const { config, open, handle } = await start({});
    const pid = await pidOf(first, config);
    await first.crash();
    open();
    await eventually(() => expect(existsSync(`/proc/${pid}`)).toBe(false));
    const next = await startAgent({ stateDir: first.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    const { err } = await next.driver.waitTask({ taskId: config.id });
    expect(err).toMatch(/^since the last good run: variable MODE is missing \(/);
  });

  test('is compared over a restart of the plugin, also with the plugin\'s option "output"', async () => {
    const first = await startAgent({ options: { exit_message: "output" } });
    const run = (plugin: Agent, env: Readonly<Record<string, string>>, script = silent) =>
      messageOf(script, { jobId: "restarted", env }, plugin);
    await run(first, { MODE: "good" });
    await first.crash();
    const next = await startAgent({ options: { exit_message: "output" }, stateDir: first.stateDir });
    const [err, id] = await run(next, {}, `echo the last line; ${silent}`);
    expect(err).toMatch(
      /^since the last good run: options\.args differs; variable MODE is missing; its output ends with: "the last line" \(/,
    );
    expect((await exitOf(id, next)).changes).toEqual(["options.args differs", "variable MODE is missing"]);
    expect(await why(id, next)).toMatch(
      /Since its last good run, .* before: options\.args differs; variable MODE/,
    );
    await run(next, {}, "exit 0");
    const [later] = await run(next, {}, "exit 5");
    expect(later).toMatch(/^since the last good run: options\.args differs \(/);
  });
});

describe("the program of a run", () => {
  test("that has changed since the last good run is named, and an unpacked copy is the same program", async () => {
    const good = await runScript("exit 0", "program");
    const same = await runScript("exit 0; # padding to another size", "other");
    const failed = await runScript("exit 7", "program");
    const { changes } = await exitOf(failed);
    expect(changes).toEqual([expect.stringMatching(/^the program \S+\/local\/app has changed \(digest\)$/)]);
    expect(await why(failed)).toMatch(
      /Since its last good run, .* before: the program \/\S+\/local\/app has changed \(digest\)/,
    );
    const [one, other, third] = await Promise.all([good, same, failed].map((id) => exitOf(id)));
    expect(one?.program).toEqual({ bytes: 17, digest: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(other?.program?.digest).not.toBe(one?.program?.digest);
    const again = await exitOf(await runScript("exit 7", "program"));
    expect(again.program).toEqual(third?.program);
  });

  test("is the host's, a volume's, or that of a folder that is its root", async () => {
    const folder = hostFolder();
    writeScript(`${folder}/app`, "exit 0");
    const expected = { bytes: 17, digest: expect.any(String) };
    const inVolume = await run(
      makeAllocation(),
      { command: "/srv/volume/app" },
      { mounts: [volumeMount(folder, "/srv/volume")] },
    );
    expect((await exitOf(inVolume)).program).toEqual(expected);
    const relative = await run(
      makeAllocation(),
      { command: "local/volume/app" },
      { mounts: [volumeMount(folder, "local/volume")] },
    );
    expect((await exitOf(relative)).program).toEqual(expected);
    const ofHost = await run(makeAllocation(), { command: `${folder}/app`, unveil: [`rx:${folder}`] });
    expect((await exitOf(ofHost)).program).toEqual(expected);
    const tree = makeAllocation();
    busyboxTree(tree, ["true"]);
    const inRoot = await exitOf(await run(tree, { command: "true", root_dir: "local/tree" }));
    const ofBusybox = await exitOf(await run(makeAllocation(), { command: "busybox", args: ["true"] }));
    expect(inRoot.program).toEqual(ofBusybox.program);
    expect(inRoot.program?.bytes).toBeGreaterThan(100_000);
  });

  test("that is replaced while it runs is the one that was started, unless it ends before it was read", async () => {
    const folder = hostFolder();
    const start = async () => {
      writeScript(`${folder}/app`, "read -r _ < $NOMAD_TASK_DIR/gate; exit 0");
      const allocation = makeAllocation();
      const open = allocation.gate();
      const config = allocation.config({ command: `${folder}/app`, unveil: [`rx:${folder}`] });
      await startTask(agent, config);
      // The kernel's time of a change is accurate to some milliseconds.
      await delay(50);
      const replaceAndEnd = async () => {
        writeScript(`${folder}/new`, "exit 0");
        renameSync(`${folder}/new`, `${folder}/app`);
        open();
        await waitTask(agent, config);
        return (await exitOf(config.id)).program;
      };
      return replaceAndEnd;
    };
    const long = await start();
    await delay(2_000);
    expect(await long()).toEqual({ bytes: 51, digest: expect.any(String) });
    const short = await start();
    expect(await short()).toBeUndefined();
  });
});
