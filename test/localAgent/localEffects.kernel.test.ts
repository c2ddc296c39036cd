/** What a local run creates on the host as root: folders, users, cgroups, log pipes. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { makeAllocationFolders, makeTaskFolders } from "../../src/localAgent/allocation/allocation.ts";
import {
  allScopes,
  isHeld,
  makeScope,
  removeScope,
  scopePath,
  takeScope,
} from "../../src/localAgent/allocation/cgroupScope.ts";
import { chooseUser } from "../../src/localAgent/allocation/taskUser.ts";
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
    expect(leftoversIn(parent)).toEqual([]);
    await work.close();
  });

  it("belongs to its run even if a copy of the record has no lock", async () => {
    const parent = temporaryFolder();
    const work = await makeWorkFolder(run, parent);
    const copy = join(parent, "nomad-driver-exec2-copy");
    cpSync(work.path, copy, { recursive: true });
    expect(takeAbandonedWork(copy)).toBeUndefined();
    expect(leftoversIn(parent)).toEqual([]);
    await work.close();
  });

  it("is found as a leftover, with its record, once its run was killed", async () => {
    const parent = temporaryFolder();
    const path = await workOfKilledRun(parent, run);
    const record = {
      ...run,
      pid: expect.any(Number),
      startTicks: expect.any(Number),
      bootId: expect.any(String),
      begunAt: expect.any(Number),
      stateFolder: "/s/local/1",
    };
    const owner = { pid: record.pid, begunAt: record.begunAt, job: "web.hcl", work: path };
    expect(leftoversIn(parent)).toEqual([{ work: path, owner, keep: false, scopes: [] }]);
    const taken = takeAbandonedWork(path);
    expect(taken?.record).toEqual(record);
    expect(takeAbandonedWork(path), "taken by a second caller").toBeUndefined();
    taken?.release();
  });

  it("is not a leftover if it was kept on request", async () => {
    const parent = temporaryFolder();
    await workOfKilledRun(parent, { ...run, keep: true });
    expect(leftoversIn(parent)).toEqual([]);
  });

  it("is not a leftover if it belongs to another user, or is a link", async () => {
    const parent = temporaryFolder();
    const path = await workOfKilledRun(parent, run);
    symlinkSync(path, join(parent, "nomad-driver-exec2-link"));
    chownSync(path, 65_534, 65_534);
    expect(leftoversIn(parent)).toEqual([]);
  });
});

/** Without the cgroups of other runs of this host. */
function leftoversIn(parent: string) {
  return findLeftovers(parent).leftovers.filter(({ work }) => work?.startsWith(parent));
}

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
    const { name, uid, gid } = await chooseUser(undefined, true, "80000-80004,90000");
    expect(name).toBe(`nomad-${uid}`);
    expect(gid).toBe(uid);
    expect([80_000, 80_001, 80_002, 80_003, 80_004, 90_000]).toContain(uid);
    expect(readFileSync("/etc/passwd", "utf8")).not.toContain(`:${uid}:`);
  });

  it("is a user of the host if the job names that user", async () => {
    expect(await chooseUser("nobody", false, "")).toMatchObject({ name: "nobody", uid: 65_534 });
    await expect(chooseUser("nobody-knows", true, "")).rejects.toMatchObject({ code: "USER_UNKNOWN" });
  });
});

describe("a task's cgroup", () => {
  const owner = { pid: process.pid, begunAt: 1_700_000_000_000, job: "web.hcl", work: "/nowhere" };
  const found = (path: string) => allScopes().filter((each) => each.path === path);

  it("is made below the slice of local runs, and removed", async () => {
    const id = randomUUID();
    const { path, remove } = await makeScope(id, "web", owner);
    expect(path).toBe(scopePath(id, "web"));
    expect(path).toMatch(new RegExp(`/nomad-driver-exec2\\.slice/${id}\\.web\\.scope$`));
    expect(existsSync(join(path, "cgroup.procs"))).toBe(true);
    await remove();
    expect(existsSync(path)).toBe(false);
    await removeScope(path);
  });

  it("is made although runs that end remove the slice meanwhile", async () => {
    const rounds = async () => {
      for (let round = 0; round < 50; round++) await (await makeScope(randomUUID(), "web", owner)).remove();
    };
    await Promise.all([rounds(), rounds(), rounds()]);
  });

  it("kills the processes in it when it is removed", async () => {
    const { path, remove } = await makeScope(randomUUID(), "web", owner);
    const child = spawn("sleep", ["1000"]);
    writeFileSync(join(path, "cgroup.procs"), String(child.pid));
    const [ended] = await Promise.all([once(child, "exit"), remove()]);
    expect(ended).toEqual([null, "SIGKILL"]);
    expect(existsSync(path)).toBe(false);
  });

  it("names its run, which holds it", async () => {
    const { path, remove } = await makeScope(randomUUID(), "web", owner);
    const [scope, ...others] = found(path);
    expect([scope?.owner, others]).toEqual([owner, []]);
    expect(scope && isHeld(scope)).toBe(true);
    expect(scope && takeScope(scope)).toBeUndefined();
    expect(scope && isHeld({ ...scope, owner: undefined }), "looks at the lock of a new run").toBe(false);
    const { leftovers, unproven } = findLeftovers(temporaryFolder());
    expect(leftovers.flatMap(({ scopes }) => scopes.map((each) => each.path))).not.toContain(path);
    expect(unproven.map((each) => each.path)).not.toContain(path);
    await remove();
  });

  it("without a mark is no leftover, because nothing proves that its run has ended", async () => {
    const path = scopePath(randomUUID(), "web");
    mkdirSync(path, { recursive: true });
    const { leftovers, unproven } = findLeftovers(temporaryFolder());
    expect(leftovers.flatMap(({ scopes }) => scopes.map((each) => each.path))).not.toContain(path);
    expect(unproven).toContainEqual(expect.objectContaining({ path, owner: undefined }));
    await removeScope(path);
  });
});
