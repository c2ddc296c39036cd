import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import {
  isHashedRunFolder,
  openStateFolder,
  runFolderName,
  stateFolderPaths,
  taskOfRunFolder,
} from "../../../src/store/folder/stateFolder.ts";
import { LineProcess } from "../../support/host/lineProcess.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const modeOf = (path: string) => statSync(path).mode & 0o777;
const unusable = (why: string) => ({ code: "STATE_DIR_UNUSABLE", message: expect.stringContaining(why) });

describe("the state folder", () => {
  it("is made with its sub-folders, for root alone, whatever the umask", async () => {
    const umask = process.umask(0);
    const path = join(temporaryFolder(), "a", "state");
    try {
      await (await openStateFolder(path)).close();
    } finally {
      process.umask(umask);
    }
    const { events, run, lock } = stateFolderPaths(path);
    expect([path, events, run].map(modeOf)).toEqual([0o700, 0o700, 0o700]);
    expect(modeOf(lock)).toBe(0o600);
    expect(readdirSync(path).sort()).toEqual(["events", "lock", "run", "state-folder"]);
  });

  it("that was made by hand is closed to others", async () => {
    const path = join(temporaryFolder(), "state");
    mkdirSync(path, { mode: 0o755 });
    await (await openStateFolder(path)).close();
    expect(modeOf(path)).toBe(0o700);
  });

  it("has the paths at which readers look for its parts", async () => {
    const path = join(temporaryFolder(), "state");
    const folder = await openStateFolder(path);
    expect(folder).toMatchObject(stateFolderPaths(path));
    const taskId = toTaskId("a/web/0123abcd");
    const first = folder.newRunFolder(taskId);
    expect(dirname(first)).toBe(folder.run);
    expect(basename(first)).toMatch(/^a_web_0123abcd\+[0-9a-f]{8}$/);
    expect(taskOfRunFolder(basename(first))).toBe(taskId);
    expect(folder.newRunFolder(taskId)).not.toBe(first);
    await folder.close();
  });

  it("has one owner: another process gets the owner's pid, and changes nothing", async () => {
    const path = join(temporaryFolder(), "state");
    const owner = new LineProcess("ownStateFolder", path);
    await owner.written(1);
    rmSync(join(path, "run"), { recursive: true });
    const before = readFileSync(join(path, "lock"), "utf8");
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(openStateFolder(path)).rejects.toMatchObject({
        code: "STATE_DIR_IN_USE",
        message: expect.stringContaining(`process ${owner.child.pid} owns`),
      });
    }
    expect(before).toBe(`${owner.child.pid}\n`);
    expect(readFileSync(join(path, "lock"), "utf8")).toBe(before);
    expect(readdirSync(path).sort()).toEqual(["events", "lock", "state-folder"]);
  });

  it("is free as soon as its owner has died", async () => {
    const path = join(temporaryFolder(), "state");
    for (let round = 0; round < 3; round++) {
      const owner = new LineProcess("ownStateFolder", path);
      await owner.written(1);
      await expect(openStateFolder(path)).rejects.toMatchObject({ code: "STATE_DIR_IN_USE" });
      await owner.kill();
      await (await openStateFolder(path)).close();
    }
  });

  it("is free once it is closed, which may be done twice", async () => {
    const path = join(temporaryFolder(), "state");
    const first = await openStateFolder(path);
    await expect(openStateFolder(path)).rejects.toMatchObject({ code: "STATE_DIR_IN_USE" });
    await first.close();
    await first.close();
    await (await openStateFolder(path)).close();
  });

  it("is refused if another user owns it, or a folder that leads to it", async () => {
    for (const owned of ["a", "a/state", "a/state/events", "a/state/run"]) {
      const parent = temporaryFolder();
      const path = join(parent, "a", "state");
      mkdirSync(join(path, "events"), { recursive: true, mode: 0o700 });
      mkdirSync(join(path, "run"), { mode: 0o700 });
      chownSync(join(parent, owned), 65534, 65534);
      await expect(openStateFolder(path)).rejects.toMatchObject(
        unusable(`${join(parent, owned)}: user 65534 owns it`),
      );
    }
  });

  it("is refused if others may write to it, or to a folder that leads to it", async () => {
    for (const [open, mode] of [
      ["a", 0o777],
      ["a/state", 0o770],
      ["a/state/run", 0o702],
    ] as const) {
      const parent = temporaryFolder();
      const path = join(parent, "a", "state");
      mkdirSync(join(path, "run"), { recursive: true, mode: 0o700 });
      chmodSync(join(parent, open), mode);
      await expect(openStateFolder(path)).rejects.toMatchObject(
        unusable("users other than its owner may write to it"),
      );
    }
  });

  it("may lie below a folder like /tmp, where nobody can replace another user's", async () => {
    const parent = temporaryFolder();
    chmodSync(parent, 0o1777);
    const path = join(parent, "state");
    await (await openStateFolder(path)).close();
    expect(modeOf(path)).toBe(0o700);
  });

  it("may be a link of root's, but not another user's", async () => {
    const parent = temporaryFolder();
    mkdirSync(join(parent, "real"), { mode: 0o700 });
    symlinkSync(join(parent, "real"), join(parent, "link"));
    await (await openStateFolder(join(parent, "link", "state"))).close();
    await (await openStateFolder(join(parent, "link"))).close();

    const { lchownSync } = await import("node:fs");
    lchownSync(join(parent, "link"), 65534, 65534);
    await expect(openStateFolder(join(parent, "link"))).rejects.toMatchObject(unusable("user 65534 owns it"));
    await expect(openStateFolder(join(parent, "link", "state"))).rejects.toMatchObject(
      unusable("user 65534 owns it"),
    );
  });

  it("is refused if a folder on its path, behind a link, belongs to another user", async () => {
    const parent = temporaryFolder();
    mkdirSync(join(parent, "theirs", "state"), { recursive: true, mode: 0o700 });
    symlinkSync(join(parent, "theirs", "state"), join(parent, "link"));
    chownSync(join(parent, "theirs"), 65534, 65534);
    await expect(openStateFolder(join(parent, "link"))).rejects.toMatchObject(
      unusable(`${join(parent, "theirs")}: user 65534`),
    );
  });

  it("is refused if its lock is a link, so that the link's target is not written to", async () => {
    const parent = temporaryFolder();
    const path = join(parent, "state");
    mkdirSync(path, { mode: 0o700 });
    writeFileSync(join(parent, "precious"), "precious");
    symlinkSync(join(parent, "precious"), join(path, "lock"));
    await expect(openStateFolder(path)).rejects.toMatchObject(unusable("ELOOP"));
    expect(readFileSync(join(parent, "precious"), "utf8")).toBe("precious");
  });

  it("is refused if it, or a part of it, is not a folder", async () => {
    const parent = temporaryFolder();
    writeFileSync(join(parent, "file"), "");
    await expect(openStateFolder(join(parent, "file"))).rejects.toMatchObject(unusable("EEXIST"));
    await expect(openStateFolder(join(parent, "file", "state"))).rejects.toMatchObject(unusable("ENOTDIR"));
    mkdirSync(join(parent, "state"), { mode: 0o700 });
    writeFileSync(join(parent, "state", "events"), "");
    await expect(openStateFolder(join(parent, "state"))).rejects.toMatchObject(unusable("EEXIST"));
    // The failed attempt has released the lock.
    rmSync(join(parent, "state", "events"));
    await (await openStateFolder(join(parent, "state"))).close();
  });
});

describe("names of runs' folders", () => {
  it("keep the task ids of Nomad readable", () => {
    const alloc = "6f2d4a9e-0c57-4d2b-8f1e-3b9a7c5d1e20";
    expect(runFolderName(toTaskId(`${alloc}/web/0123abcd`))).toBe(`${alloc}_web_0123abcd`);
    expect(runFolderName(toTaskId(`${alloc}/../0123abcd`))).toBe(`${alloc}_.._0123abcd`);
  });

  it("are one safe path component each, and no two ids share one", () => {
    const part = fc.oneof(
      fc.constantFrom("a", "a_b", "..", ".", "", "a~b", "A", "0123abcd", "b/c", "ä", "\0", "x".repeat(300)),
      fc.string(),
    );
    const id = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.tuple(part, part, part).map((parts) => parts.join("/")),
      fc.tuple(part, part, part).map((parts) => parts.join("_")),
    );
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 2, maxLength: 30 }), (ids) => {
        const names = ids.map((id) => runFolderName(toTaskId(id)));
        for (const name of names) expect(name).toMatch(/^(?!\.{0,2}$)[A-Za-z0-9._~-]{1,255}$/);
        expect(new Set(names).size).toBe(ids.length);
        for (const [index, name] of names.entries()) {
          for (const start of [name, `${name}+0123abcd`])
            expect(taskOfRunFolder(start)).toBe(isHashedRunFolder(start) ? undefined : ids[index]);
        }
      }),
      { numRuns: 500 },
    );
  });
});
