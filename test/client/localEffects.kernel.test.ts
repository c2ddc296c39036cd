/** What a local run makes on the host, as root: folders, users, cgroups, log pipes. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  makeAllocationFolders,
  makeTaskFolders,
  makeWorkFolder,
  removeFolders,
} from "../../src/client/allocation/allocation.ts";
import { makeScope, removeScope, scopePath } from "../../src/client/allocation/cgroupScope.ts";
import { chooseUser } from "../../src/client/allocation/taskUser.ts";
import { logPipePath, openLogReader } from "../../src/client/task/logReader.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

function modeOf(path: string): { mode: string; uid: number } {
  const { mode, uid } = statSync(path);
  return { mode: (mode & 0o7777).toString(8), uid };
}

describe("the folders of an allocation", () => {
  it("are laid out as a client does, and others only get through", async () => {
    const previous = process.umask(0o077);
    onTestFinished(() => void process.umask(previous));
    const work = await makeWorkFolder(temporaryFolder());
    const allocation = await makeAllocationFolders(work, "a");
    const { root, local, secrets, tmp } = await makeTaskFolders(allocation, "web", {
      uid: 80_123,
      gid: 80_123,
    });
    expect(root).toBe(join(work, "alloc/a/web"));
    expect(modeOf(work)).toEqual({ mode: "711", uid: 0 });
    expect(modeOf(allocation.root)).toEqual({ mode: "711", uid: 0 });
    expect(modeOf(allocation.logs)).toEqual({ mode: "777", uid: 0 });
    expect(modeOf(root)).toEqual({ mode: "710", uid: 80_123 });
    expect(modeOf(local)).toEqual({ mode: "777", uid: 80_123 });
    expect(modeOf(secrets)).toEqual({ mode: "700", uid: 80_123 });
    expect(modeOf(tmp)).toEqual({ mode: "777", uid: 80_123 });
    await removeFolders(work);
    expect(existsSync(work)).toBe(false);
  });
});

describe("a task's user", () => {
  it("is nobody else's where the job names none", async () => {
    const { name, uid, gid } = await chooseUser(undefined, true);
    expect(name).toBe(`nomad-${uid}`);
    expect(gid).toBe(uid);
    expect(uid).toBeGreaterThanOrEqual(80_000);
    expect(uid).toBeLessThan(90_000);
    expect(readFileSync("/etc/passwd", "utf8")).not.toContain(`:${uid}:`);
  });

  it("is the host's where it does", async () => {
    expect(await chooseUser("nobody", false)).toMatchObject({ name: "nobody", uid: 65_534 });
    await expect(chooseUser("nobody-knows", true)).rejects.toMatchObject({ code: "USER_UNKNOWN" });
  });
});

describe("a task's cgroup", () => {
  it("is made below the slice of local runs, and removed", async () => {
    const id = randomUUID();
    const scope = await makeScope(id, "web");
    expect(scope).toBe(scopePath(id, "web"));
    expect(scope).toMatch(new RegExp(`/nomad-driver-exec2\\.slice/${id}\\.web\\.scope$`));
    expect(existsSync(join(scope, "cgroup.procs"))).toBe(true);
    await removeScope(scope);
    expect(existsSync(scope)).toBe(false);
    await removeScope(scope);
  });

  it("takes what still runs in it along", async () => {
    const scope = await makeScope(randomUUID(), "web");
    const child = spawn("sleep", ["60"]);
    writeFileSync(join(scope, "cgroup.procs"), String(child.pid));
    const [ended] = await Promise.all([once(child, "exit"), removeScope(scope)]);
    expect(ended).toEqual([null, "SIGKILL"]);
    expect(existsSync(scope)).toBe(false);
  });
});

describe("a log pipe", () => {
  it("has a reader before it has a writer, and gives every byte", async () => {
    const path = logPipePath(temporaryFolder(), "web", "stdout");
    const output = openLogReader(path);
    expect(modeOf(path)).toEqual({ mode: "600", uid: 0 });
    const read = text(output);
    const writer = createWriteStream(path);
    const written = "line\n".repeat(1_000_000);
    writer.end(written);
    expect((await read) === written).toBe(true);
  });
});
