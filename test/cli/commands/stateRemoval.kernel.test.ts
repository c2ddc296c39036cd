/**
 * The removal of state folders, by `uninstall --histories` and by a purge of the package: only folders that the
 * driver has marked, only while nothing of them lives, and only files that the driver makes.
 */
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { packagingFile } from "../../../scripts/release/content.ts";
import { removeState, takeUnusedState } from "../../../src/cli/commands/install/stateRemoval.ts";
import { endCgroup } from "../../../src/effects/cgroup/cgroupEnd.ts";
import { mkfifo } from "../../../src/effects/kernel/libc.ts";
import { openStateFolder } from "../../../src/store/folder/stateFolder.ts";
import { isMarked } from "../../../src/store/folder/stateMark.ts";
import { workMarkOf } from "../../../src/store/lmdb/workMark.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";

const allocation = randomUUID();
const run = `${allocation}_web_0123abcd`;

/** Removes the state folder, and returns what it says. */
const removers: readonly (readonly [string, (state: string) => string])[] = [
  [
    "uninstall --histories",
    (path) => {
      try {
        using state = takeUnusedState(path);
        return removeState(state, false)
          .flatMap(({ kept }) => kept)
          .join("\n");
      } catch (thrown) {
        return String(thrown);
      }
    },
  ],
  [
    "a purge of the package",
    (path) => {
      const script = 'mount --bind "$1" /var/lib && exec sh -s purge';
      const args = ["--mount", "sh", "-c", script, "sh", dirname(path)];
      const { status, stderr } = spawnSync("unshare", args, {
        input: packagingFile("postrm"),
        encoding: "utf8",
      });
      expect(status, stderr).toBe(0);
      return stderr;
    },
  ],
];

/** The state folder of an agent, whose plugin has ended. The path ends as the package expects. */
async function stateFolder(): Promise<string> {
  const path = join(temporaryFolder(), "nomad-driver-exec2");
  await (await openStateFolder(path)).close();
  write(join(path, "events/data.mdb"));
  return path;
}

async function localFolder(state: string, number: number): Promise<string> {
  const path = join(state, "local", String(number));
  await (await openStateFolder(path)).close();
  return path;
}

function write(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "x");
}

/** Makes the files of a run. The result is open as the run's init has it open, until it is closed. */
function liveRun(state: string): number {
  const folder = join(state, "run", run);
  write(join(folder, "status"));
  mkfifo(join(folder, "alive"), 0o600);
  return openSync(join(folder, "alive"), constants.O_RDWR | constants.O_NONBLOCK);
}

/** The files and links below a folder, as relative paths. */
function filesIn(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  const paths = entries.flatMap((entry) =>
    entry.isDirectory()
      ? filesIn(join(folder, entry.name)).map((path) => join(entry.name, path))
      : [entry.name],
  );
  return paths.sort();
}

describe.each(removers)("%s", (_name, remove) => {
  it("removes all that the driver makes, and the folder", async () => {
    const state = await stateFolder();
    const local = await localFolder(state, 1);
    for (const path of [
      "env-digest.key",
      "archived.json",
      "archive/2026-01-31.jsonl",
      "pins/a_web_0123abcd.json",
      "events.damaged-2026-01-31T12-30-00Z/data.mdb",
      "events/usage/a_web_0123abcd",
      "run/spare-1/status",
      "run/exec2-init",
    ]) {
      write(join(state, path));
      write(join(local, path));
    }
    symlinkSync("/run/nowhere.sock", join(state, "plugin.sock"));
    closeSync(liveRun(local));
    // What a killed plugin leaves in /run.
    const marks = [state, local]
      .flatMap((folder) => ["events", "events.damaged-2026-01-31T12-30-00Z"].map((log) => join(folder, log)))
      .filter(existsSync)
      .map(workMarkOf);
    for (const mark of marks) writeFileSync(mark, "x");
    expect(remove(state)).toBe("");
    expect(existsSync(state)).toBe(false);
    expect(marks.filter(existsSync)).toEqual([]);
    expect(existsSync(dirname(state))).toBe(true);
  });

  it("keeps and names all that the driver does not make", async () => {
    const state = await stateFolder();
    await localFolder(state, 1);
    const precious = join(temporaryFolder(), "precious");
    write(join(precious, "bundle.jsonl"));
    symlinkSync(precious, join(state, "archive"));
    const foreign = ["events/notes.txt", "local/2/events/data.mdb", "local/1/thesis.pdf", "notes.txt"];
    for (const path of foreign) write(join(state, path));
    const said = remove(state);
    expect(filesIn(state)).toEqual(["archive", ...foreign].sort());
    expect(filesIn(precious)).toEqual(["bundle.jsonl"]);
    for (const name of ["archive", "events/notes.txt", "local/2", "thesis.pdf", "notes.txt"])
      expect(said).toContain(name);
  });

  it("changes nothing in a folder without the driver's mark", async () => {
    const marked = await stateFolder();
    const state = join(temporaryFolder(), "nomad-driver-exec2");
    cpSync(marked, state, { recursive: true });
    const before = filesIn(state);
    expect(remove(state)).toContain("no mark");
    rmSync(join(state, "state-folder"));
    expect(remove(state)).toContain("no mark");
    expect(filesIn(state)).toEqual(before.filter((path) => path !== "state-folder"));
  });

  it("removes the state of local runs from a folder that is not the driver's", async () => {
    const state = join(temporaryFolder(), "nomad-driver-exec2");
    mkdirSync(state);
    await localFolder(state, 1);
    await localFolder(state, 2);
    expect(isMarked(state)).toBe(false);
    remove(state);
    expect(filesIn(state)).toEqual([]);
    expect(existsSync(join(state, "local/1"))).toBe(false);
    expect(existsSync(state)).toBe(true);
  });

  it.each([
    ["an agent's", (state: string) => Promise.resolve(state)],
    ["a local", (state: string) => localFolder(state, 1)],
  ])("removes nothing while %s task or plugin lives", async (_whose, folderIn) => {
    const state = await stateFolder();
    const folder = await folderIn(state);
    const unchanged = (by: string) => {
      const before = filesIn(state);
      expect(remove(state), by).toMatch(/ in use |plugin use /);
      expect(filesIn(state), by).toEqual(before);
    };
    const owner = await openStateFolder(folder);
    unchanged("a plugin");
    await owner.close();
    const init = liveRun(folder);
    unchanged("a task");
    closeSync(init);
    const cgroup = new TestCgroup(`${allocation}.web.scope`);
    const orphan = spawn("sleep", ["1000"]);
    onTestFinished(async () => void (await endCgroup(cgroup.path)));
    writeFileSync(join(cgroup.path, "cgroup.procs"), String(orphan.pid));
    unchanged("a task whose init was killed");
    await endCgroup(cgroup.path);
    expect(remove(state)).toBe("");
    expect(existsSync(state)).toBe(false);
  });
});

describe("uninstall --histories", () => {
  it.each(["/", "/etc", "/var/lib"])("does not take %s for a state folder", (path) => {
    expect(() => takeUnusedState(path)).toThrow(expect.objectContaining({ code: "STATE_DIR_UNMARKED" }));
  });

  it("keeps others from using the folder until it is removed", async () => {
    const path = await stateFolder();
    const state = takeUnusedState(path);
    await expect(openStateFolder(path)).rejects.toMatchObject({ code: "STATE_DIR_IN_USE" });
    state[Symbol.dispose]();
    await (await openStateFolder(path)).close();
  });
});

describe("the mark of a state folder", () => {
  it("names the folder, which has no other", async () => {
    const path = await stateFolder();
    const { uid, dev, ino } = statSync(path);
    expect(readFileSync(join(path, "state-folder"), "utf8")).toBe(
      `kind nomad-driver-exec2 state folder\nformat 1\nowner ${uid}\ndevice ${dev}\ninode ${ino}\n`,
    );
  });

  it("is renewed by the next plugin, in a folder that was restored from a copy", async () => {
    const path = await stateFolder();
    const copy = join(temporaryFolder(), "copy");
    cpSync(path, copy, { recursive: true });
    expect(isMarked(copy)).toBe(false);
    await (await openStateFolder(copy)).close();
    expect(isMarked(copy)).toBe(true);
  });

  it("is also given to the folder that the first local run makes around its own", async () => {
    const state = join(temporaryFolder(), "state");
    await localFolder(state, 1);
    expect(isMarked(state)).toBe(true);
  });
});
