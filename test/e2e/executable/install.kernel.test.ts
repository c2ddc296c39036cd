/** The verbs install and uninstall, of the built executable. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStateFolder } from "../../../src/store/folder/stateFolder.ts";
import { startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";
import { call, shellJob, start } from "../../support/screen/commandLine.ts";
import { openTerminalSession } from "../../support/screen/terminalSession.ts";

const built = { program: [builtEntry] };
const name = "nomad-driver-exec2";

describe("install", () => {
  it("copies the executable, reports on the host, and prints the agent's block", async () => {
    const folder = temporaryFolder();
    const ended = await call(["install", "--plugin-dir", folder], {
      ...built,
      env: { NOMAD_ADDR: "http://127.0.0.1:1" },
    });
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toContain(`installed ${join(folder, name)}`);
    expect(ended.stdout).toContain('plugin "nomad-driver-exec2" {');
    expect(ended.stdout).toContain("Agents from 1.8.0 to 1.9.5 end by a fault of their own");
    expect(lstatSync(join(folder, name)).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(folder, name)).equals(readFileSync(builtEntry))).toBe(true);
    expect(await call(["version"], { program: [join(folder, name)] })).toMatchObject({ code: 0 });
    const again = await call(["install", "--plugin-dir", folder], { program: [join(folder, name)] });
    expect(again.stdout).toContain(`replaced ${join(folder, name)}`);
  });

  it("makes a folder only if the person wants it", async () => {
    const folder = join(temporaryFolder(), "plugins");
    const refused = await call(["install", "--plugin-dir", folder], built);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^NOT_CONFIRMED: There is no folder \S+\. Create it\? .*\nhint: .*--yes$/m,
    );
    expect(existsSync(folder)).toBe(false);
    const wanted = await call(["install", "--yes", "--plugin-dir", folder], built);
    expect(wanted).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(join(folder, name))).toBe(true);
  });

  it.each([
    ["a file that is not this driver", (path: string) => writeFileSync(path, "#!/bin/sh\n")],
    ["a link", (path: string) => symlinkSync("/bin/true", path)],
    ["the package's link", (path: string) => symlinkSync(`/usr/bin/${name}`, path)],
  ])("leaves %s as it is", async (_what, make) => {
    const folder = temporaryFolder();
    make(join(folder, name));
    const before = lstatSync(join(folder, name)).ino;
    for (const verb of ["install", "uninstall"]) {
      const { code, stderr } = await call([verb, "--plugin-dir", folder], built);
      expect(code).toBe(1);
      expect(stderr).toContain("leaving it unchanged");
    }
    expect(lstatSync(join(folder, name)).ino).toBe(before);
  });
});

describe("uninstall", () => {
  /** The state folder of an agent, whose plugin has ended. */
  async function stateFolder(): Promise<string> {
    const state = join(temporaryFolder(), "state");
    await (await openStateFolder(state)).close();
    return state;
  }

  it("lists what it would remove, and keeps histories by default", async () => {
    const folder = temporaryFolder();
    const state = await stateFolder();
    // A killed plugin leaves such folders, which belong to no task.
    mkdirSync(join(state, "run/spare-1"));
    await call(["install", "--plugin-dir", folder], built);
    const places = ["--plugin-dir", folder, "--state-dir", state];
    const dry = await call(["uninstall", "--histories", "--dry-run", ...places], built);
    expect(dry.stdout).toBe(`would remove ${join(folder, name)}\nwould remove ${state}\n`);
    const json = await call(["uninstall", "--dry-run", "--json", ...places], built);
    expect(JSON.parse(json.stdout)).toEqual({ path: join(folder, name), removed: false, kept: [] });
    expect(existsSync(join(folder, name))).toBe(true);
    const ended = await call(["uninstall", ...places], built);
    expect(ended.stdout).toBe(`removed ${join(folder, name)}\nthe histories of tasks stay in ${state}\n`);
    expect(existsSync(state)).toBe(true);
    const notes = join(state, "notes.txt");
    writeFileSync(notes, "");
    const kept = await call(["uninstall", "--histories", "--yes", ...places], built);
    expect(kept.stdout).toBe(
      `removed the histories in ${state}\n${notes} stays: this driver did not make it\n`,
    );
    expect(readdirSync(state)).toEqual(["notes.txt"]);
  });

  it("removes histories only if the person confirms it", async () => {
    const state = await stateFolder();
    const args = ["uninstall", "--histories", "--plugin-dir", temporaryFolder(), "--state-dir", state];
    const { code, stderr } = await call(args, built);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^NOT_CONFIRMED: .*\nhint: .*--yes$/m)]);
    for (const [answer, said, stays] of [
      ["n\n", /nothing was removed/, true],
      ["\x04", /nothing was removed/, true],
      ["y\n", /^removed /m, false],
    ] as const) {
      const terminal = openTerminalSession({ columns: 300, rows: 30 });
      terminal.type(`${builtEntry} ${args.join(" ")}\n`);
      await terminal.shows(/Nothing can restore them\. \[y\/N\]/);
      terminal.type(answer);
      await terminal.shows(said);
      expect(existsSync(state), answer).toBe(stays);
    }
  });

  it("removes nothing from a folder that is not the driver's, and nothing else either", async () => {
    const [folder, state] = [temporaryFolder(), temporaryFolder()];
    writeFileSync(join(state, "thesis.pdf"), "");
    await call(["install", "--plugin-dir", folder], built);
    const places = ["--plugin-dir", folder, "--state-dir", state];
    for (const flag of ["--dry-run", "--yes"]) {
      const { code, stderr } = await call(["uninstall", "--histories", flag, ...places], built);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^STATE_DIR_UNMARKED: /)]);
    }
    expect(readdirSync(state)).toEqual(["thesis.pdf"]);
    expect(existsSync(join(folder, name))).toBe(true);
  });

  it("removes no histories while tasks run", async () => {
    const agent = await startAgent({ entry: builtEntry });
    await startTask(agent, makeAllocation().config("exec sleep 1000"));
    const places = ["--plugin-dir", temporaryFolder(), "--state-dir", agent.stateDir];
    const { code, stderr } = await call(["uninstall", "--histories", "--yes", ...places], built);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^STATE_DIR_IN_USE: /);
  });
});

describe("uninstall --histories under a local run", () => {
  it("removes nothing, and the run keeps its exit code", async () => {
    const stateDir = temporaryFolder();
    const job = shellJob(
      "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done",
      'kill_signal = "SIGTERM"',
    );
    const run = start(["run", "--state-dir", stateDir, job], built);
    await run.seen("up");
    const args = ["uninstall", "--histories", "--yes", "--plugin-dir", temporaryFolder()];
    const { code, stderr } = await call([...args, "--state-dir", stateDir], built);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^STATE_DIR_IN_USE: \S+\/local\/1 is in use /)]);
    await call(["stop", "task", "--state-dir", stateDir], built);
    expect((await run.ended).code).toBe(7);
    const removed = await call([...args, "--state-dir", stateDir], built);
    expect(removed).toMatchObject({
      code: 0,
      stdout: `removed ${join(stateDir, "local/1")}\n${stateDir} stays: it has no mark of this driver\n`,
      stderr: "",
    });
    expect(readdirSync(stateDir)).toEqual([]);
  });
});
