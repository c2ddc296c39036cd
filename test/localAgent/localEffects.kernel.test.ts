/** What a local run creates on the host as root: folders, users, cgroups, log pipes. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  chownSync,
  createWriteStream,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeAllocationFolders, makeTaskFolders } from "../../src/localAgent/allocation/allocation.ts";
import { makeScope, removeScope, scopePath } from "../../src/localAgent/allocation/cgroupScope.ts";
import { chooseUser } from "../../src/localAgent/allocation/taskUser.ts";
import { logPipePath, openLogReader } from "../../src/localAgent/task/logCollector.ts";
import { findLeftovers } from "../../src/localAgent/work/leftovers.ts";
import { makeWorkFolder, takeAbandonedWork } from "../../src/localAgent/work/workFolder.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

const run = { job: "web.hcl", keep: false };

function modeOf(path: string): { mode: string; uid: number } {
  const { mode, uid } = statSync(path);
  return { mode: (mode & 0o7777).toString(8), uid };
}

describe("the folders of an allocation", () => {
  it("are laid out like a client's, and other users can only pass through them", async () => {
    const previous = process.umask(0o077);
    onTestFinished(() => void process.umask(previous));
    const folder = await makeWorkFolder(run, temporaryFolder());
    const work = folder.path;
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
    await folder.close();
    expect(existsSync(work)).toBe(false);
  });
});

describe("a work folder", () => {
  it("belongs to its run while the run goes on", async () => {
    const parent = temporaryFolder();
    const work = await makeWorkFolder(run, parent);
    expect(takeAbandonedWork(work.path)).toBeUndefined();
    expect(findLeftovers(parent)).not.toContainEqual(expect.objectContaining({ work: work.path }));
    await work.close();
  });

  it("is found as a leftover, with its record, once its run was killed", async () => {
    const parent = temporaryFolder();
    const path = await workOfKilledRun(parent, run);
    const record = {
      ...run,
      pid: expect.any(Number),
      begunAt: expect.any(Number),
      stateFolder: "/s/local/1",
    };
    expect(findLeftovers(parent)).toContainEqual({ work: path, record, scopes: [] });
    const taken = takeAbandonedWork(path);
    expect(taken?.record).toEqual(record);
    expect(takeAbandonedWork(path), "taken by a second caller").toBeUndefined();
    taken?.release();
  });

  it("is not a leftover if it was kept on request", async () => {
    const parent = temporaryFolder();
    const path = await workOfKilledRun(parent, { ...run, keep: true });
    expect(findLeftovers(parent)).not.toContainEqual(expect.objectContaining({ work: path }));
  });

  it("is not a leftover if it belongs to another user, or is a link", async () => {
    const parent = temporaryFolder();
    const path = await workOfKilledRun(parent, run);
    symlinkSync(path, join(parent, "nomad-driver-exec2-link"));
    chownSync(path, 65_534, 65_534);
    expect(findLeftovers(parent).filter(({ work }) => work?.startsWith(parent))).toEqual([]);
  });
});

/** The work folder of a run whose process was killed. */
async function workOfKilledRun(parent: string, record: typeof run): Promise<string> {
  const module = JSON.stringify(join(import.meta.dirname, "../../src/localAgent/work/workFolder.ts"));
  const script = `const { makeWorkFolder } = await import(${module});
    const work = await makeWorkFolder(${JSON.stringify(record)}, ${JSON.stringify(parent)});
    work.setStateFolder("/s/local/1");
    process.kill(process.pid, "SIGKILL");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "inherit" });
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
  const [name = ""] = readdirSync(parent);
  return join(parent, name);
}

describe("a task's user", () => {
  it("is used by nobody else if the job names no user", async () => {
    const { name, uid, gid } = await chooseUser(undefined, true);
    expect(name).toBe(`nomad-${uid}`);
    expect(gid).toBe(uid);
    expect(uid).toBeGreaterThanOrEqual(80_000);
    expect(uid).toBeLessThan(90_000);
    expect(readFileSync("/etc/passwd", "utf8")).not.toContain(`:${uid}:`);
  });

  it("is a user of the host if the job names that user", async () => {
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

  it("kills the processes in it when it is removed", async () => {
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
