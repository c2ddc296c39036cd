import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { type ProgramPlace, watchProgram } from "../../../src/effects/run/programFile.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const user = { uid: 80_123, gid: 80_123, groups: [], capabilities: undefined };
let [folder, keys] = ["", ""];
beforeEach(() => {
  [folder, keys] = [temporaryFolder(), temporaryFolder()];
});

/** The program in the folder, which the task may change. */
function read(name: string, place: Partial<ProgramPlace> = {}, startedAt = Date.now()) {
  const folders = [{ target: "/task", source: folder }];
  return watchProgram(() => ({ path: `/task/${name}`, folders, user, ...place }), startedAt, keys).end();
}

/** A link that a task has followed: the kernel need not change its time of access. */
function usedLink(target: string, path: string): void {
  symlinkSync(target, path);
  const seconds = Date.now() / 1_000;
  lutimesSync(path, seconds + 3_600, seconds);
}

const large = Buffer.alloc(300_000, "x");
const withByte = (at: number) => Buffer.from(large).fill("y", at, at + 1);

describe("a program's file", () => {
  it("has the digest of its content, whatever its name, its folder and its times", async () => {
    writeFileSync(`${folder}/one`, "#!/bin/sh\nexit 1\n");
    mkdirSync(`${folder}/more`);
    copyFileSync(`${folder}/one`, `${folder}/more/two`);
    utimesSync(`${folder}/more/two`, 1, 1);
    const one = await read("one");
    expect(one).toEqual({ bytes: 17, digest: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(await read("more/two")).toEqual(one);
    writeFileSync(`${folder}/one`, "#!/bin/sh\nexit 2\n");
    expect((await read("one"))?.digest).not.toBe(one?.digest);
  });

  it("has another one if its first or last 64 KiB, or its size, are others", async () => {
    const digestOf = async (content: Buffer) => {
      writeFileSync(`${folder}/program`, content);
      return JSON.stringify(await read("program"));
    };
    const all = [large, withByte(0), withByte(65_535), withByte(large.length - 65_536), withByte(299_999)];
    const others = [large.subarray(1), large.subarray(200_000), Buffer.alloc(0), Buffer.alloc(70_000, "x")];
    const digests: string[] = [];
    for (const content of [...all, ...others]) digests.push(await digestOf(content));
    expect(new Set(digests).size).toBe(digests.length);
    expect(await digestOf(withByte(65_536))).toBe(digests[0]);
  });

  it("counts only as it was at the start", async () => {
    writeFileSync(`${folder}/program`, "before");
    const startedAt = Date.now();
    expect(await read("program", {}, startedAt)).toBeDefined();
    await delay(20);
    writeFileSync(`${folder}/new`, "after");
    renameSync(`${folder}/new`, `${folder}/program`);
    expect(await read("program", {}, startedAt)).toBeUndefined();
  });

  it("that is replaced while the task runs is the one that was read before", async () => {
    writeFileSync(`${folder}/program`, "before");
    const place = { path: "/task/program", folders: [{ target: "/task", source: folder }], user };
    const watch = watchProgram(() => place, Date.now(), keys);
    await delay(1_500);
    writeFileSync(`${folder}/program`, "after!");
    const after = await read("program");
    expect(after).toBeDefined();
    expect(await watch.end()).toEqual({ bytes: 6, digest: expect.not.stringContaining(after?.digest ?? "") });
  });

  it("is found behind links within its folder, and behind no others", async () => {
    mkdirSync(`${folder}/1.0`);
    writeFileSync(`${folder}/1.0/program`, "text");
    usedLink("1.0", `${folder}/current`);
    const outside = temporaryFolder();
    chmodSync(outside, 0o755);
    writeFileSync(`${outside}/program`, "text");
    symlinkSync(outside, `${folder}/absolute`);
    symlinkSync(`../${outside.split("/").at(-1)}`, `${folder}/relative`);
    symlinkSync("/proc/self/exe", `${folder}/magic`);
    // As the launch does: what the kernel has not looked up before is not read.
    statSync(`${folder}/current/program`);
    expect(await read("current/program")).toEqual(await read("1.0/program"));
    expect(await read("1.0/program")).toBeDefined();
    for (const name of ["absolute/program", "relative/program", "magic", "none", "1.0"])
      expect(await read(name), name).toBeUndefined();
  });

  it("is no FIFO and no device, and none keeps the task's end waiting", async () => {
    spawnSync("mkfifo", [`${folder}/fifo`]);
    spawnSync("mknod", [`${folder}/device`, "c", "1", "5"]);
    expect(await read("fifo")).toBeUndefined();
    expect(await read("device")).toBeUndefined();
  });

  it("of the host is one that the task's user finds", async () => {
    const path = `${folder}/program`;
    writeFileSync(path, "text");
    chmodSync(folder, 0o700);
    expect(await read("", { path, folders: [] })).toBeUndefined();
    chmodSync(folder, 0o755);
    expect(await read("", { path, folders: [] })).toMatchObject({ bytes: 4 });
    expect(await read("", { path: "/bin/sh", folders: [] }, Date.now())).toMatchObject({
      bytes: readFileSync("/bin/sh").length,
    });
  });

  it("is found in a volume that is a file, and in the innermost of several folders", async () => {
    writeFileSync(`${folder}/program`, "text");
    const inner = temporaryFolder();
    writeFileSync(`${inner}/program`, "other text");
    const folders = [
      { target: "/task", source: folder },
      { target: "/task/bin", source: inner },
      { target: "/task/file", source: `${folder}/program` },
    ];
    expect(await read("program", { folders })).toMatchObject({ bytes: 4 });
    expect(await read("bin/program", { folders })).toMatchObject({ bytes: 10 });
    expect(await read("file", { folders })).toMatchObject({ bytes: 4 });
  });

  it("of a root that is made of a folder is found in this folder, through its links", async () => {
    const names = { taskDir: `${folder}/local`, secretsDir: `${folder}/secrets`, tmpDir: `${folder}/tmp` };
    const folders = { rootDir: folder, allocDir: `${folder}/alloc`, ...names };
    const tree = `${folder}/local/tree`;
    mkdirSync(`${tree}/bin`, { recursive: true });
    writeFileSync(`${tree}/bin/program`, "text");
    usedLink("/bin/program", `${tree}/link`);
    symlinkSync("/../../../../../../bin/sh", `${tree}/shell`);
    const rootDir = { name: "local/tree", folders };
    expect(await read("", { path: "/link", folders: [], rootDir })).toMatchObject({ bytes: 4 });
    expect(await read("", { path: "/shell", folders: [], rootDir })).toBeUndefined();
    const none = { name: "local/none", folders };
    expect(await read("", { path: "/link", folders: [], rootDir: none })).toBeUndefined();
  });
});
