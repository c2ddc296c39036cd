/** Copies of folders that somebody hostile changes meanwhile, as user and as root. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { O_PATH } from "../../../src/effects/kernel/constants.ts";
import type { FileUser } from "../../../src/effects/kernel/fileUser.ts";
import type { Remark } from "../../../src/effects/operator/copiedEntry.ts";
import { type Copied, copyEntries } from "../../../src/effects/operator/copyEntries.ts";
import { fileKey, openWriters, type Writers } from "../../../src/effects/operator/openWriters.ts";
import { TreeTarget } from "../../../src/effects/operator/treeTarget.ts";
import { smallFileSystem } from "../../support/host/smallFileSystem.ts";
import { hostFolder, temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { TestCgroup } from "../../support/host/testCgroup.ts";
import { turnIntoLink } from "../../support/host/turningPath.ts";

interface Terms {
  readonly user?: FileUser;
  readonly writers?: Writers;
  readonly progress?: (copied: Copied) => void;
  readonly stop?: AbortSignal;
}

async function copy(from: string, into: string, name: string, terms: Terms = {}) {
  const {
    user,
    writers = new Map(),
    progress = () => undefined,
    stop = new AbortController().signal,
  } = terms;
  const remarks: Remark[] = [];
  using opened = new DisposableStack();
  const top = opened.adopt(openSync(from, O_PATH), closeSync);
  const folder = opened.adopt(openSync(into, O_PATH), closeSync);
  const remark = (each: Remark) => void remarks.push(each);
  const copied = await copyEntries(top, { folder, name }, { user, writers, stop, remark, progress });
  return { copied, remarks };
}

const nobody: FileUser = { uid: 65_534, gid: 65_534, groups: [], capabilities: undefined };

describe("a copy", () => {
  it("has the modes, times, links and holes of what is copied, and no bits that give rights", async () => {
    const [from, into] = [temporaryFolder(), temporaryFolder()];
    mkdirSync(`${from}/a/b`, { recursive: true });
    writeFileSync(`${from}/a/b/tool`, "#!/bin/sh\n");
    chmodSync(`${from}/a/b/tool`, 0o6751);
    utimesSync(`${from}/a/b/tool`, 1_000_000, 1_000_000);
    symlinkSync("/etc/shadow", `${from}/a/link`);
    writeFileSync(`${from}/empty`, "");
    const sparse = openSync(`${from}/sparse`, "w");
    writeSync(sparse, "one", 0);
    writeSync(sparse, "two", 8 * 1024 * 1024);
    closeSync(sparse);
    truncateSync(`${from}/sparse`, 1024 ** 4);
    chmodSync(`${from}/a/b`, 0o500);
    const { copied, remarks } = await copy(from, into, "copy");
    expect(remarks).toEqual([]);
    expect(copied).toMatchObject({ files: 3, folders: 3, links: 1 });
    // A file's data are told in whole blocks.
    expect(copied.bytes).toBeLessThan(100_000);
    expect(statSync(`${into}/copy/a/b/tool`)).toMatchObject({ mode: 0o100751, mtimeMs: 1_000_000_000 });
    expect(statSync(`${into}/copy/a/b`).mode).toBe(0o40500);
    expect(readlinkSync(`${into}/copy/a/link`)).toBe("/etc/shadow");
    const { size, blocks } = statSync(`${into}/copy/sparse`);
    expect(size).toBe(1024 ** 4);
    expect(blocks * 512).toBeLessThan(100_000);
    const read = openSync(`${into}/copy/sparse`, "r");
    const seen = Buffer.alloc(3);
    readSync(read, seen);
    closeSync(read);
    expect(seen.toString()).toBe("one");
  });

  it("never opens a FIFO, device or socket, and says that it is left out", async () => {
    const [from, into] = [temporaryFolder(), temporaryFolder()];
    spawnSync("mkfifo", [`${from}/fifo`]);
    spawnSync("mknod", [`${from}/zero`, "c", "1", "5"]);
    const server = createServer().listen(`${from}/socket`);
    onTestFinished(() => void server.close());
    await expect.poll(() => existsSync(`${from}/socket`)).toBe(true);
    writeFileSync(`${from}/file`, "file");
    const { remarks } = await copy(from, into, "copy");
    expect(readdirSync(`${into}/copy`)).toEqual(["file"]);
    expect(remarks.map(({ path, what, isLoss }) => `${path} ${what} ${isLoss}`).sort()).toEqual([
      "fifo it is a FIFO false",
      "socket it is a socket false",
      "zero it is a device false",
    ]);
    for (const name of ["fifo", "zero", "socket"])
      await expect(copy(`${from}/${name}`, into, name)).rejects.toMatchObject({ code: "COPY_FAILED" });
  });

  it("does not enter what the kernel makes up, such as /proc", async () => {
    const into = temporaryFolder();
    await expect(copy("/proc", into, "proc")).rejects.toMatchObject({ code: "COPY_FAILED" });
    await expect(copy("/sys", into, "sys")).rejects.toMatchObject({ code: "COPY_FAILED" });
    expect(readdirSync(into)).toEqual([]);
  });

  it("ends, although a file grows as fast as it is copied, and says so", async () => {
    const [from, into] = [temporaryFolder(), temporaryFolder()];
    writeFileSync(`${from}/log`, Buffer.alloc(4 * 1024 * 1024, "x"));
    const grows = openSync(`${from}/log`, "a");
    onTestFinished(() => closeSync(grows));
    const more = Buffer.alloc(2 * 1024 * 1024, "y");
    const { remarks } = await copy(from, into, "copy", {
      progress: ({ bytes }) => void (bytes > 0 && writeSync(grows, more)),
    });
    expect(statSync(`${into}/copy/log`).size).toBe(4 * 1024 * 1024);
    expect(remarks).toEqual([{ path: "log", what: "it was changed while it was copied", isLoss: true }]);
  });

  it("stops on request, and leaves no half of a file", async () => {
    const [from, into] = [temporaryFolder(), temporaryFolder()];
    writeFileSync(`${from}/big`, Buffer.alloc(8 * 1024 * 1024));
    const stop = new AbortController();
    const copying = copy(from, into, "copy", {
      stop: stop.signal,
      progress: ({ bytes }) => bytes > 0 && stop.abort(),
    });
    await expect(copying).rejects.toMatchObject({ code: "COPY_FAILED" });
    expect(readdirSync(`${into}/copy`)).toEqual([]);
  });

  it("fails as a copy for a folder that is removed before it has its mode", async () => {
    const [from, into] = [temporaryFolder(), temporaryFolder()];
    mkdirSync(`${from}/made`);
    const progress = () => void (existsSync(`${into}/copy/made`) && rmdirSync(`${into}/copy/made`));
    await expect(copy(from, into, "copy", { progress })).rejects.toMatchObject({
      code: "COPY_FAILED",
      failed: { errno: "ENOENT", path: "copy/made" },
    });
  });

  it("follows no link out of the source that takes a folder's place", async () => {
    const [from, secret] = [temporaryFolder(), temporaryFolder()];
    mkdirSync(`${from}/turns`);
    for (let index = 0; index < 40; index++) {
      writeFileSync(`${from}/turns/${index}`, "own");
      writeFileSync(`${secret}/${index}`, "secret");
    }
    const end = turnIntoLink(`${from}/turns`, secret);
    try {
      for (let round = 0; round < 40; round++) {
        const into = temporaryFolder();
        await copy(from, into, "copy");
        const turns = `${into}/copy/turns`;
        if (!existsSync(turns) || lstatSync(turns).isSymbolicLink()) continue;
        for (const name of readdirSync(turns)) expect(readFileSync(`${turns}/${name}`, "utf8")).toBe("own");
      }
    } finally {
      await end();
    }
  });

  it("follows no link out of the target that takes a folder's place", async () => {
    const [from, into, outside] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
    mkdirSync(`${from}/turns`);
    for (let index = 0; index < 40; index++) writeFileSync(`${from}/turns/${index}`, "copied");
    mkdirSync(`${into}/turns`);
    const end = turnIntoLink(`${into}/turns`, outside);
    try {
      for (let round = 0; round < 40; round++) await copy(from, into, "").catch(() => undefined);
    } finally {
      await end();
    }
    expect(readdirSync(outside)).toEqual([]);
    await copy(from, into, "");
    expect(readdirSync(`${into}/turns`)).toHaveLength(40);
  });

  it("replaces links, FIFOs and further names of a file as names, and writes to none of them", async () => {
    const [from, into, outside] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
    writeFileSync(`${outside}/victim`, "kept");
    for (const name of ["link", "fifo", "hard"]) writeFileSync(`${from}/${name}`, "copied");
    symlinkSync(`${outside}/victim`, `${into}/link`);
    spawnSync("mkfifo", [`${into}/fifo`]);
    writeFileSync(`${into}/first`, "kept");
    linkSync(`${into}/first`, `${into}/hard`);
    await copy(from, into, "");
    expect(readFileSync(`${outside}/victim`, "utf8")).toBe("kept");
    expect(readFileSync(`${into}/first`, "utf8")).toBe("kept");
    for (const name of ["link", "fifo", "hard"]) {
      expect(lstatSync(`${into}/${name}`).isFile()).toBe(true);
      expect(readFileSync(`${into}/${name}`, "utf8")).toBe("copied");
    }
  });

  it("does not go through a link that stands for a folder of the copy", async () => {
    const [from, into, outside] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
    mkdirSync(`${from}/folder`);
    writeFileSync(`${from}/folder/file`, "copied");
    symlinkSync(outside, `${into}/folder`);
    await expect(copy(from, into, "")).rejects.toMatchObject({
      code: "COPY_FAILED",
      failed: { errno: expect.stringMatching(/ELOOP|ENOTDIR/) },
    });
    expect(readdirSync(outside)).toEqual([]);
  });

  it("becomes the given user's, with that user's rights", async () => {
    const [from, own, rooted] = [temporaryFolder(), hostFolder({ uid: 65_534, gid: 65_534 }), hostFolder()];
    writeFileSync(`${from}/file`, "copied", { mode: 0o640 });
    await copy(from, own, "copy", { user: nobody });
    expect(statSync(`${own}/copy`)).toMatchObject({ uid: 65_534, gid: 65_534 });
    expect(statSync(`${own}/copy/file`)).toMatchObject({ uid: 65_534, gid: 65_534, mode: 0o100640 });
    await expect(copy(from, rooted, "copy", { user: nobody })).rejects.toMatchObject({
      code: "COPY_FAILED",
      failed: { errno: "EACCES" },
    });
    expect(readdirSync(rooted)).toEqual([]);
  });

  it("is refused for a task where there is no room for it", async () => {
    const [from, small] = [temporaryFolder(), smallFileSystem("1m")];
    chownSync(small, 65_534, 65_534);
    writeFileSync(`${from}/big`, "");
    truncateSync(`${from}/big`, 1024 ** 4);
    await expect(copy(from, small, "", { user: nobody })).rejects.toMatchObject({
      failed: { errno: "ENOSPC" },
    });
    expect(readdirSync(small)).toEqual([]);
  });

  it("tells of a process that has a file open for writing, and of no other", async () => {
    const [from, into] = [temporaryFolder(), temporaryFolder()];
    for (const name of ["written", "read"]) writeFileSync(`${from}/${name}`, name);
    const cgroup = new TestCgroup(`exec2-test-writers-${process.pid}.scope`);
    onTestFinished(() => cgroup.remove());
    const written = openSync(`${from}/written`, "a");
    const read = openSync(`${from}/read`, "r");
    const { pid } = spawn("sleep", ["1000"], { stdio: [read, written, "ignore"] });
    for (const descriptor of [written, read]) closeSync(descriptor);
    writeFileSync(`${cgroup.path}/cgroup.procs`, String(pid));
    const writers = openWriters(cgroup.path);
    expect(writers.get(fileKey(statSync(`${from}/written`, { bigint: true })))).toBe(pid);
    expect(writers.has(fileKey(statSync(`${from}/read`, { bigint: true })))).toBe(false);
    const { remarks } = await copy(from, into, "copy", { writers });
    const what = `process ${pid} of the task has it open for writing`;
    expect(remarks).toEqual([{ path: "written", what, isLoss: false }]);
    const replaced = await copy(`${into}/copy`, from, "", { writers });
    expect(replaced.remarks.map(({ path }) => path)).toEqual(["written"]);
  });
});

it.each(["../outside", "/etc/passwd", "a/../../outside", "a\0b", ".."])(
  "a target refuses the name %j, and writes nothing",
  async (path) => {
    const into = temporaryFolder();
    using opened = new DisposableStack();
    const folder = opened.adopt(openSync(into, O_PATH), closeSync);
    const target = new TreeTarget(folder, "", undefined, {
      replaces: () => undefined,
      wrote: () => undefined,
    });
    for (const entry of [
      { kind: "folder", path, mode: 0o755 },
      { kind: "link", path, target: "x" },
    ] as const)
      await expect(target.add(entry)).rejects.toMatchObject({ code: "COPY_FAILED" });
    expect(readdirSync(into)).toEqual([]);
  },
);
