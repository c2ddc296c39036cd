/** The verbs install and uninstall, of the built executable. */
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";
import { call } from "../../support/screen/commandLine.ts";

const built = { program: [builtEntry] };
const name = "nomad-driver-exec2";

describe("install", () => {
  it("copies the executable, reports on the host, and prints the agent's block", async () => {
    const folder = join(temporaryFolder(), "plugins");
    const ended = await call(["install", "--plugin-dir", folder], built);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toContain(`installed ${join(folder, name)}`);
    expect(ended.stdout).toContain('plugin "nomad-driver-exec2" {');
    expect(lstatSync(join(folder, name)).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(folder, name)).equals(readFileSync(builtEntry))).toBe(true);
    expect(await call(["version"], { program: [join(folder, name)] })).toMatchObject({ code: 0 });
    const again = await call(["install", "--plugin-dir", folder], { program: [join(folder, name)] });
    expect(again.stdout).toContain(`replaced ${join(folder, name)}`);
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
  it("lists what it would remove, and keeps histories by default", async () => {
    const folder = temporaryFolder();
    const state = join(temporaryFolder(), "state");
    // A killed plugin leaves such folders, which belong to no task.
    mkdirSync(join(state, "run/spare-1"), { recursive: true });
    await call(["install", "--plugin-dir", folder], built);
    const places = ["--plugin-dir", folder, "--state-dir", state];
    const dry = await call(["uninstall", "--histories", "--dry-run", ...places], built);
    expect(dry.stdout).toBe(`would remove ${join(folder, name)}\nwould remove ${state}\n`);
    const json = await call(["uninstall", "--dry-run", "--json", ...places], built);
    expect(JSON.parse(json.stdout)).toEqual({ path: join(folder, name), removed: false });
    expect(existsSync(join(folder, name))).toBe(true);
    const ended = await call(["uninstall", ...places], built);
    expect(ended.stdout).toBe(`removed ${join(folder, name)}\nthe histories of tasks stay in ${state}\n`);
    expect(existsSync(state)).toBe(true);
    await call(["uninstall", "--histories", ...places], built);
    expect(existsSync(state)).toBe(false);
  });

  it("removes no histories while tasks run", async () => {
    const agent = await startAgent({ entry: builtEntry });
    await startTask(agent, makeAllocation().config("exec sleep 1000"));
    const places = ["--plugin-dir", temporaryFolder(), "--state-dir", agent.stateDir];
    const { code, stderr } = await call(["uninstall", "--histories", ...places], built);
    expect(code).toBe(1);
    expect(stderr).toContain("is in use by tasks");
  });
});
