import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { newStateDir, pidOf, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { eventually } from "../../support/host/eventually.ts";
import { leftSince, nothingLeft, tracesOf } from "../../support/plugin/pluginTraces.ts";
import { startPlugin } from "../../support/plugin/startPlugin.ts";

describe("an agent's first two launches of the plugin", () => {
  test("validate the options, and touch nothing", async () => {
    const stateDir = newStateDir();
    const plugin = await startPlugin();
    for (const _ of [1, 2]) await plugin.base.setConfig(setConfig({ state_dir: stateDir }, false));
    expect(readdirSync(dirname(stateDir))).toEqual([]);
    expect(await plugin.close()).toEqual({ code: 0, signal: null });
    expect(readdirSync(dirname(stateDir))).toEqual([]);
  });

  test("name wrong options", async () => {
    const plugin = await startPlugin();
    const wrong = { unveil_defaults: "yes", unveil_paths: ["r:/srv", "z:/x"], nonsense: 1 };
    for (const [name, value] of Object.entries(wrong)) {
      const refused = await plugin.base.setConfig(setConfig({ [name]: value }, false)).catch(errorOfCall);
      expect(refused).toMatchObject({
        code: "CONFIG_INVALID",
        message: expect.stringContaining(`"${name}"`),
      });
    }
  });

  test("do not disturb a plugin that runs", async () => {
    const agent = await startAgent();
    const config = makeAllocation().config("exec sleep 1000");
    await startTask(agent, config);
    const before = tracesOf(agent);
    const { children, runFolders } = before;
    const validating = await startPlugin();
    await validating.base.setConfig(setConfig({ state_dir: agent.stateDir }, false));
    await validating.close();
    expect(tracesOf(agent)).toMatchObject({ children, runFolders });
    // The plugin reads files at any time, such as the program of a run, and closes them.
    await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
    expect(await pidOf(agent, config)).toBeGreaterThan(0);
  });
});

describe("the state folder", () => {
  test("is made for root alone", async () => {
    const { stateDir } = await startAgent();
    for (const each of ["", "/events", "/run"]) {
      expect(statSync(`${stateDir}${each}`)).toMatchObject({ uid: 0, mode: 0o40700 });
    }
    for (const file of readdirSync(`${stateDir}/events`)) {
      expect(statSync(`${stateDir}/events/${file}`).mode & 0o077).toBe(0);
    }
  });

  test("that would be refused is an error of the validating launch", async () => {
    const stateDir = newStateDir();
    const [file, open] = [`${dirname(stateDir)}/file`, `${dirname(stateDir)}/open`];
    writeFileSync(file, "");
    mkdirSync(open);
    chmodSync(open, 0o777);
    const plugin = await startPlugin();
    for (const [folder, why] of [
      [file, `${file} is not a folder`],
      [`${file}/state`, `${file} is not a folder`],
      [`${stateDir}/typo`, `stat ${stateDir}: ENOENT`],
      [open, `${open}: users other than its owner may write to it`],
      [`${open}/state`, `${open}: users other than its owner may write to it`],
    ]) {
      const refused = await plugin.base.setConfig(setConfig({ state_dir: folder }, false)).catch(errorOfCall);
      const message = expect.stringContaining(`${why}`);
      expect(refused).toMatchObject({ code: "STATE_DIR_UNUSABLE", message });
    }
    expect(readdirSync(dirname(stateDir)).sort()).toEqual(["file", "open"]);
    expect(readdirSync(open)).toEqual([]);
  });
});

describe("a later SetConfig", () => {
  test("changes the options of later tasks, and does not affect running ones", async () => {
    const agent = await startAgent();
    const running = makeAllocation().config("exec sleep 1000");
    await startTask(agent, running);
    const unveiling = () => makeAllocation().config({ command: "true", unveil: ["r:/etc/os-release"] });
    await expect(startTask(agent, unveiling())).rejects.toThrow("unveil_by_task");
    await agent.base.setConfig(setConfig({ state_dir: agent.stateDir, unveil_by_task: true }));
    expect(await runTask(agent, unveiling())).toMatchObject({ exitCode: 0 });
    expect(await pidOf(agent, running)).toBeGreaterThan(0);
  });

  test("cannot move the state folder", async () => {
    const agent = await startAgent();
    const moved = agent.base.setConfig(setConfig({ state_dir: newStateDir() }));
    expect(await moved.catch(errorOfCall)).toMatchObject({ code: "CONFIG_INVALID" });
  });

  test("that is invalid changes nothing", async () => {
    const agent = await startAgent();
    await expect(agent.base.setConfig(setConfig({ state_dir: 7 }))).rejects.toThrow("CONFIG_INVALID");
    expect(await runTask(agent, makeAllocation().config("true"))).toMatchObject({ exitCode: 0 });
  });
});

test("starts are refused recoverably before there is a configuration", async () => {
  const plugin = await startPlugin();
  const refused = await startTask(plugin, makeAllocation().config("true")).catch(errorOfCall);
  expect(refused).toMatchObject({ code: "PLUGIN_FAILED", recoverable: true });
});
