/**
 * Two allocations on a node whose jobs may unveil paths. The first one unveils what shows or gives it the second
 * one: the cgroup file system, the agent's folders by any name, other tasks' processes, devices. With the
 * operator's own `unveil_paths` each succeeds, so only the protection refuses it.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, onTestFinished, type TestContext, test } from "vitest";
import { findCgroup2Mount } from "../../src/effects/cgroup/cgroup.ts";
import { errorOfCall } from "../../src/grpc/status.ts";
import { type Agent, pidOf, readyTask, runTask, startAgent, startTask } from "../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../support/agent/allocation.ts";
import { mountOverlay } from "../support/host/overlay.ts";
import { folderOfFile, persistentFolders, temporaryFolder } from "../support/host/temporaryFolder.ts";

const options = { allow_host_root: true, allow_host_pid: true, allow_root: true, allow_caps: ["all"] };
let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: { ...options, unveil_by_task: true } });
});

const cgroupMount = findCgroup2Mount() ?? "/sys/fs/cgroup";
const sleeping = { command: "sleep", args: ["1000"] };
const rootUser = { name: "root", uid: 0, gid: 0 };

/** The error of a start whose job has these entries. */
async function refusalOf(
  unveil: readonly string[],
  more: object = {},
  { from = agent, allocation = makeAllocation() }: { from?: Agent; allocation?: Allocation } = {},
) {
  const config = allocation.config({ ...sleeping, ...more, unveil });
  return await startTask(from, config).then(
    () => "started",
    (thrown) => {
      const { code, message } = errorOfCall(thrown);
      return `${code} ${message}`;
    },
  );
}

const notAllowed = (what: string) =>
  expect.stringMatching(new RegExp(`^UNVEIL_NOT_ALLOWED .*leads to ${what}`));

/** A neighbour whose output folder everybody may write to, as agents make it. */
async function neighbour(): Promise<Allocation> {
  const { allocation } = await readyTask(
    agent,
    "echo secret > $NOMAD_ALLOC_DIR/data/file; echo up; exec sleep 1000",
  );
  return allocation;
}

describe.each(["private", "host"])("with the root %s", (root) => {
  test("the operator's own entry opens a neighbour's folder, and a job's entry does not", async () => {
    const victim = await neighbour();
    const folder = `${victim.folder}/alloc`;
    const reader = makeAllocation();
    const careless = await startAgent({ options: { ...options, unveil_paths: [`rwc:${folder}`] } });
    const script = `cat ${folder}/data/file; echo changed > ${folder}/data/mine && echo written`;
    await runTask(careless, reader.config({ command: "sh", args: ["-c", script], root }));
    expect(await reader.stdout.text()).toBe("secret\nwritten\n");
    for (const entry of [`r:${folder}`, `rwc:${folder}/data`, `r:${folder}/data/file`]) {
      expect(await refusalOf([entry], { root })).toEqual(notAllowed("the agent's folders"));
    }
  });

  test.each([
    ["a folder around it", (folder: string) => folder.slice(0, folder.lastIndexOf("/alloc/"))],
    ["the folder of all allocations", (folder: string) => `${folder.slice(0, folder.lastIndexOf("/"))}`],
    ["everything", () => "/"],
    ["a symlink to it", (folder: string) => linkTo(`${folder}/alloc/data`)],
    ["a bind mount of it", (folder: string) => bindOf(`${folder}/alloc`)],
    ["a bind mount of the host", () => bindOf("/")],
    ["a file that does not exist", (folder: string) => `${folder}/alloc/data/none`],
  ])("a neighbour is not reached by %s", async (_how, pathTo) => {
    const victim = await neighbour();
    expect(await refusalOf([`r:${pathTo(victim.folder)}`], { root })).toEqual(
      notAllowed("the agent's folders"),
    );
  });

  test("a neighbour is not reached through an overlay that has its folder as a layer", async (context) => {
    const victim = await neighbour();
    const shown = overlayOf(context, victim.folder);
    const careless = await startAgent({ options: { ...options, unveil_paths: [`r:${shown}`] } });
    const reader = makeAllocation();
    await runTask(careless, reader.config({ command: "cat", args: [`${shown}/alloc/data/file`], root }));
    expect(await reader.stdout.text()).toBe("secret\n");
    for (const path of [
      shown,
      `${shown}/alloc/data`,
      `${shown}/alloc/data/file`,
      `${shown}/none`,
      bindOf(shown),
    ])
      expect(await refusalOf([`r:${path}`], { root })).toEqual(notAllowed("the agent's folders"));
    const around = overlayOf(context, victim.folder.slice(0, victim.folder.lastIndexOf("/alloc/")));
    for (const path of [around, `${around}/alloc`, around.slice(0, around.lastIndexOf("/"))])
      expect(await refusalOf([`r:${path}`], { root })).toEqual(notAllowed("the agent's folders"));
  });

  test("an overlay opens no cgroups and devices of its layers, and what else is in it", async (context) => {
    for (const [path, what] of [
      [cgroupMount, "a cgroup file system"],
      ["/dev", "device nodes"],
    ] as const)
      expect(await refusalOf([`r:${overlayOf(context, path)}`], { root })).toEqual(notAllowed(what));
    const folder = temporaryFolder(persistentFolders);
    chmodSync(folder, 0o755);
    expect(await refusalOf([`r:${overlayOf(context, folder)}`], { root })).toBe("started");
  });

  test("root is refused, too, and so is a folder of this driver", async () => {
    const victim = await neighbour();
    const allocation = () => makeAllocation({ user: rootUser });
    const more = { root, cap_add: ["dac_read_search"] };
    expect(await refusalOf([`r:${victim.folder}`], more, { allocation: allocation() })).toEqual(
      notAllowed("the agent's folders"),
    );
    for (const folder of [
      agent.stateDir,
      `${agent.stateDir}/events`,
      agent.stateDir.replace(/\/state$/, ""),
    ]) {
      expect(await refusalOf([`r:${folder}`], more, { allocation: allocation() })).toEqual(
        notAllowed("a state folder of this driver"),
      );
    }
  });

  test("the cgroup file system tells the operator's tasks about all tasks, and is closed to jobs", async () => {
    const { allocation, config } = await readyTask(agent, "echo up; exec sleep 1000");
    const careless = await startAgent({ options: { ...options, unveil_paths: ["r:/sys/fs/cgroup"] } });
    const reader = makeAllocation();
    const script = "ls -R /sys/fs/cgroup";
    await runTask(careless, reader.config({ command: "sh", args: ["-c", script], root }));
    expect(await reader.stdout.text()).toContain(config.allocId);
    const link = linkTo("/sys/fs/cgroup");
    for (const path of [
      "/sys/fs/cgroup",
      "/sys/fs",
      "/sys",
      allocation.cgroup.path,
      `${allocation.cgroup.path}/none`,
      link,
    ]) {
      expect(await refusalOf([`r:${path}`], { root })).toEqual(notAllowed("a cgroup file system"));
    }
    expect(await refusalOf(["r:/sys/kernel/mm"], { root })).toBe("started");
  });

  test("device nodes are closed to jobs, except those that every task has", async () => {
    for (const path of ["/dev", "/dev/ptmx", "/dev/pts"]) {
      expect(await refusalOf([`rw:${path}`], { root })).toEqual(notAllowed("device nodes"));
    }
    for (const path of ["/dev/null", "/dev/zero", "/dev/full", "/dev/stdout"]) {
      expect(await refusalOf([`rw:${path}`], { root })).toBe("started");
    }
  });
});

test("in the host's pid namespace other processes' entries of /proc are closed to jobs", async () => {
  const { config } = await readyTask(agent, "echo up; exec sleep 1000");
  const pid = await pidOf(agent, config);
  const more = { pid_mode: "host" };
  const others = notAllowed("processes that are not the task's");
  expect(await refusalOf([`r:/proc/${pid}/status`], more)).toEqual(others);
  expect(await refusalOf(["rw:/proc"], more)).toEqual(others);
  expect(await refusalOf(["r:/proc"], more)).toBe("started");
});

test("a job reaches its own folders by the names in its environment", async () => {
  const allocation = makeAllocation();
  const unveil = [`rwc:${allocation.taskFolder}/local`, `rx:${allocation.folder}/alloc/data`];
  expect(await refusalOf(unveil, {}, { allocation })).toBe("started");
});

describe("the operator's list", () => {
  let base: string;
  let listing: Agent;
  beforeAll(async () => {
    base = folderOfFile(persistentFolders);
    chmodSync(base, 0o755);
    for (const name of ["open/below", "closed"]) mkdirSync(`${base}/${name}`, { recursive: true });
    chmodSync(`${base}/open`, 0o1777);
    writeFileSync(`${base}/closed/file`, "");
    symlinkSync(`${base}/closed`, `${base}/open/out`);
    symlinkSync(`${base}/open`, `${base}/alias`);
    listing = await startAgent({
      options: { ...options, unveil_allowed: [`rw:${base}/alias`, "rw:/dev/ptmx"] },
    });
  });
  const ask = (...unveil: string[]) => refusalOf(unveil, {}, { from: listing });
  const outside = expect.stringMatching(
    /^UNVEIL_NOT_ALLOWED .*which this client does not allow.*It allows at or below: rw:/,
  );

  test("allows what is at or below its paths, by every name, with no more rights", async () => {
    expect(await ask(`rw:${base}/open`, `r:${base}/alias/below`, "r:/usr/bin")).toBe("started");
    expect(await ask(`rwc:${base}/open/below`)).toEqual(outside);
    expect(await ask(`r:${base}/closed`)).toEqual(outside);
    expect(await ask(`r:${base}`)).toEqual(outside);
  });

  test("is not passed by a link that a task has made in a listed folder, nor asked about missing files elsewhere", async () => {
    for (const path of ["open/out", "open/out/file", "open/out/none", "closed/none", "none"]) {
      expect(await ask(`r:${base}/${path}`)).toEqual(outside);
    }
    expect(await ask(`r:${base}/open/none`)).toMatch(/^UNVEIL_PATH_MISSING/);
  });

  test("names devices that jobs may use; a listed folder opens none of those in it", async () => {
    expect(await ask("rw:/dev/ptmx")).toBe("started");
    const around = await startAgent({ options: { ...options, unveil_allowed: ["rw:/dev"] } });
    for (const path of ["/dev", "/dev/ptmx", "/dev/pts", "/dev/none"])
      expect(await refusalOf([`r:${path}`], {}, { from: around })).toEqual(notAllowed("device nodes"));
    expect(await refusalOf(["rw:/dev/null"], {}, { from: around })).toBe("started");
  });

  test("of a path in an overlay allows what the same path of a layer would", async (context) => {
    const shown = overlayOf(context, cgroupMount);
    const named = await startAgent({ options: { ...options, unveil_allowed: [`r:${shown}`] } });
    expect(await refusalOf([`r:${shown}`], {}, { from: named })).toBe("started");
    const around = await startAgent({ options: { ...options, unveil_allowed: [`r:${persistentFolders}`] } });
    expect(await refusalOf([`r:${shown}`], {}, { from: around })).toEqual(notAllowed("a cgroup file system"));
  });

  test.for(["bpf", "mqueue", "tracefs", "debugfs", "securityfs", "configfs"])(
    "opens a file system of type %s only if it names a folder in it",
    async (type, context) => {
      const base = temporaryFolder(persistentFolders);
      chmodSync(base, 0o755);
      mkdirSync(`${base}/mounted`);
      if (spawnSync("mount", ["-t", type, "none", `${base}/mounted`]).status !== 0)
        context.skip(`NOT TESTED: this host mounts no ${type}`);
      onTestFinished(() => void spawnSync("umount", [`${base}/mounted`]));
      chmodSync(`${base}/mounted`, 0o755);
      const asked = [`r:${base}`, `r:${base}/mounted`];
      const listing = (entry: string) => startAgent({ options: { ...options, unveil_allowed: [entry] } });
      const around = await listing(`r:${base}`);
      const named = await listing(`r:${base}/mounted`);
      for (const entry of asked)
        expect(await refusalOf([entry], {}, { from: around })).toEqual(
          expect.stringMatching(/^UNVEIL_NOT_ALLOWED /),
        );
      expect(await refusalOf([`r:${base}/mounted`], {}, { from: named })).toBe("started");
    },
  );

  test("does not open the agent's folders, even if it names them", async () => {
    const victim = await neighbour();
    const named = await startAgent({ options: { ...options, unveil_allowed: [`r:${victim.folder}`] } });
    expect(await refusalOf([`r:${victim.folder}/alloc`], {}, { from: named })).toEqual(
      notAllowed("the agent's folders"),
    );
  });
});

test("a job may unveil only so many paths that a start does not hold up other tasks", async () => {
  const paths = (count: number) => Array.from({ length: count }, (_, index) => `r:/usr/share/none-${index}`);
  expect(await refusalOf(paths(257))).toMatch(/^CONFIG_INVALID .*unveils 257 paths.*At most 256/);
  expect(await refusalOf(paths(256))).toMatch(/^UNVEIL_PATH_MISSING/);
});

function linkTo(path: string): string {
  const folder = temporaryFolder(persistentFolders);
  chmodSync(folder, 0o755);
  symlinkSync(path, `${folder}/link`);
  return `${folder}/link`;
}

/** A folder that shows what is in another one, as the lowest layer of an overlay. */
function overlayOf(context: TestContext, path: string): string {
  const folder = temporaryFolder(persistentFolders);
  chmodSync(folder, 0o755);
  for (const name of ["shown", "above"]) mkdirSync(`${folder}/${name}`);
  mountOverlay(context, `${folder}/shown`, { lower: [`${folder}/above`, path] });
  return `${folder}/shown`;
}

function bindOf(path: string): string {
  const folder = temporaryFolder(persistentFolders);
  chmodSync(folder, 0o755);
  mkdirSync(`${folder}/bound`);
  const { status, stderr } = spawnSync("mount", ["--bind", path, `${folder}/bound`], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  onTestFinished(() => void spawnSync("umount", ["--lazy", `${folder}/bound`]));
  return `${folder}/bound`;
}
