/** Volumes of another user: `idmapped_volumes`, as a Nomad client passes them. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Agent, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation, noCollector } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { expectRefusal, startWarmAgent } from "../../support/agent/refusal.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { folderOfFile, hostFolder, persistentFolders } from "../../support/host/temporaryFolder.ts";
import { leftSince, nothingLeft, tracesOf } from "../../support/plugin/pluginTraces.ts";

/** Ids that no user and no group of the host has. */
const owner = { uid: 20_001, gid: 20_002 };
const stranger = { uid: 20_003, gid: 20_003 };

const rootsVolumes = folderOfFile(persistentFolders);
let agent: Agent;
beforeAll(async () => {
  const options = {
    allow_idmapped_volumes: true,
    allow_root: true,
    idmapped_root_volumes: [`${rootsVolumes}/`],
    denied_host_uids: "20010",
    denied_host_gids: "20011",
  };
  agent = await startWarmAgent({ options });
});

describe("an idmapped volume", () => {
  test("belongs to the task's user inside; what the task makes belongs to the volume's owner on the host", async () => {
    const source = volume();
    const allocation = makeAllocation();
    const script =
      "cat file; echo more >> file; echo new > new; mkdir -p a/b; stat -c '%n %u %g' . file new a/b; mv new newer; rm file";
    const { uid } = allocation.user;
    const lines = [".", "file", "new", "a/b"].map((name) => `${name} ${uid} ${uid}\n`);
    expect(await run(allocation, script, source)).toEqual({
      exitCode: 0,
      out: `content\n${lines.join("")}`,
      err: "",
    });
    expect(readdirSync(source)).toEqual(["a", "newer"]);
    for (const name of ["newer", "a", "a/b"]) expect(statSync(`${source}/${name}`)).toMatchObject(owner);
  });

  test("is closed without the option, and the cause says owner, mode and user", async () => {
    const source = volume();
    const allocation = makeAllocation();
    // The driver's own logger has written all when the cause is looked for.
    const command = { command: "cat", args: ["/srv/file"], log_collection: "driver" };
    const config = allocation.config(command, { ...noCollector, mounts: [volumeMount(source, "/srv")] });
    expect(await runTask(agent, config)).toMatchObject({ exitCode: 1 });
    expect(await causeOf(config.id)).toEqual({
      grade: "words",
      kind: "permission",
      text: `its last line: folder /srv belongs to uid 20001, gid 20002, mode 0700; the task runs as uid ${allocation.user.uid}`,
      advice: [],
      line: "cat: /srv/file: Permission denied",
    });
  });

  test("may be a single file, and be below another volume", async () => {
    const source = volume();
    const outer = hostFolder();
    writeFileSync(`${outer}/inner`, "");
    const allocation = makeAllocation();
    const mounts = [volumeMount(`${source}/file`, "/srv/inner"), volumeMount(outer, "/srv")];
    const command = { ...optionsOf("cat /srv/inner"), idmapped_volumes: ["/srv/inner"] };
    await runTask(agent, allocation.config(command, { mounts }));
    expect(await allocation.stdout.text()).toBe("content\n");
  });

  test("has a destination relative to the task's folder", async () => {
    const source = volume();
    const allocation = makeAllocation();
    const command = { ...optionsOf("cat local/data/file"), idmapped_volumes: ["local/data/"] };
    await runTask(agent, allocation.config(command, { mounts: [volumeMount(source, "local/data")] }));
    expect(await allocation.stdout.text()).toBe("content\n");
  });

  test("is read-only if it is mounted so", async () => {
    const source = volume();
    const script = "cat file; echo x >> file; touch new; chmod 777 file";
    const outcome = await run(makeAllocation(), script, source, { readonly: true });
    expect(outcome).toMatchObject({ exitCode: 1, out: "content\n" });
    expect(outcome.err.match(/Read-only file system|Permission denied/g)).toHaveLength(3);
    expect(readdirSync(source)).toEqual(["file"]);
  });

  test("that belongs to the task's user anyway is mounted as it is", async () => {
    const allocation = makeAllocation();
    const source = volume(allocation.user);
    expect(await run(allocation, "cat file; touch new", source)).toMatchObject({ exitCode: 0 });
    expect(statSync(`${source}/new`)).toMatchObject({ uid: allocation.user.uid });
  });

  test("serves tasks of two users at the same time", async () => {
    const source = volume();
    const tasks = await Promise.all(
      ["one", "other"].map(async (name) => {
        const allocation = makeAllocation();
        const release = allocation.gate();
        const script = `echo ${name} > /srv/${name}; echo up; read -r _ < $NOMAD_TASK_DIR/gate; cat /srv/one /srv/other; stat -c %u /srv/one /srv/other`;
        const command = { ...optionsOf(script), idmapped_volumes: ["/srv"] };
        const config = allocation.config(command, { mounts: [volumeMount(source, "/srv")] });
        await startTask(agent, config);
        await allocation.stdout.contains("up\n");
        return { allocation, release, config };
      }),
    );
    for (const { allocation, release, config } of tasks) {
      release();
      expect(await waitTask(agent, config)).toMatchObject({ exitCode: 0 });
      const { uid } = allocation.user;
      expect(await allocation.stdout.text()).toBe(`up\none\nother\n${uid}\n${uid}\n`);
    }
    for (const name of ["one", "other"]) expect(statSync(`${source}/${name}`)).toMatchObject(owner);
  });

  test("keeps its map while plugins end and come, and later commands have it", async () => {
    const source = volume();
    const allocation = makeAllocation();
    const options = { allow_idmapped_volumes: true };
    const first = await startAgent({ options });
    const command = { ...optionsOf("echo up; exec sleep 1000"), idmapped_volumes: ["/srv"] };
    const config = allocation.config(command, { mounts: [volumeMount(source, "/srv")] });
    const handle = await startTask(first, config);
    await allocation.stdout.contains("up\n");
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir, options });
    await next.driver.recoverTask({ taskId: "", handle });
    const script = "stat -c %u /srv/file; echo x > /srv/later";
    const { stdout, result } = await execScript(next, config.id, script);
    expect((await result)?.exitCode).toBe(0);
    expect(`${stdout}`).toBe(`${allocation.user.uid}\n`);
    expect(statSync(`${source}/later`)).toMatchObject(owner);
  });

  test("is used by a task of root without root's rights on files of others", async () => {
    const source = volume();
    writeFileSync(`${source}/strangers`, "", { mode: 0o600 });
    chownSync(`${source}/strangers`, stranger.uid, stranger.gid);
    const allocation = makeAllocation({ user: { name: "root", uid: 0, gid: 0 } });
    const script = "cat file; stat -c %u file strangers; cat strangers; chown 0:0 strangers";
    const outcome = await run(allocation, script, source);
    expect(outcome).toMatchObject({ exitCode: 1, out: "content\n0\n65534\n" });
    expect(outcome.err).toMatch(/cat: strangers: Permission denied\nchown: .*strangers/);
  });
});

describe("in an idmapped volume", () => {
  test("files of root and of others are nobody's: the task reads what all may read, and writes nothing", async () => {
    const source = volume();
    for (const [name, uid] of [
      ["roots", 0],
      ["strangers", stranger.uid],
    ] as const) {
      writeFileSync(`${source}/${name}`, `${name}\n`);
      chownSync(`${source}/${name}`, uid, uid);
      chmodSync(`${source}/${name}`, 0o646);
    }
    const script =
      "cat roots strangers; stat -c '%u %g' roots strangers; for each in roots strangers; do echo x > $each; chmod 777 $each; chown $(id -u) $each; done";
    const outcome = await run(makeAllocation(), script, source);
    expect(outcome.out).toBe("roots\nstrangers\n65534 65534\n65534 65534\n");
    expect(outcome.err.match(/Permission denied|not permitted|too large/g)).toHaveLength(6);
    expect(readFileSync(`${source}/roots`, "utf8")).toBe("roots\n");
  });

  test("a set-user-ID program of root gives nothing, and no such program can be left", async () => {
    const source = volume();
    copyFileSync("/usr/bin/id", `${source}/program`);
    chownSync(`${source}/program`, 0, 0);
    chmodSync(`${source}/program`, 0o6755);
    expect(spawnSync(`${source}/program`, ["-u"], { uid: 0 }).status).toBe(0);
    const allocation = makeAllocation();
    const script = "./program -u; ./program -g; cp program mine && chmod 4755 mine; stat -c %a mine";
    const outcome = await run(allocation, script, source);
    const { uid } = allocation.user;
    expect(outcome.out).toBe(`${uid}\n${uid}\n755\n`);
    expect(outcome.err).toMatch(/chmod: .*not permitted/);
  });

  test("no file can be given to another user", async () => {
    const source = volume();
    const script = "for each in 0 20003 20001 65534; do chown $each file; done";
    const outcome = await run(makeAllocation(), script, source);
    expect(outcome.err.match(/not permitted|Invalid argument|too large/g)).toHaveLength(4);
    expect(statSync(`${source}/file`)).toMatchObject(owner);
  });
});

describe("an idmapped volume is refused", () => {
  test.each([
    [
      "root",
      { uid: 0, gid: 20_002 },
      /\/srv \(.*\) belongs to root\. Give .* or let the operator list it in idmapped_root_volumes/,
    ],
    ["root's group", { uid: 20_001, gid: 0 }, /belongs to root's group/],
    ["a denied user", { uid: 20_010, gid: 20_002 }, /no task may be: uid 20010 is in denied_host_uids/],
    ["a denied group", { uid: 20_001, gid: 20_011 }, /gid 20011 is in denied_host_gids/],
    ["a group of the host's secrets", { uid: 20_001, gid: 42 }, /of gid 42, it is the host's group shadow/],
  ])("if its folder belongs to %s", async (_whose, ids, text) => {
    await refused(volume(ids), { code: "IDMAP_REFUSED", text });
  });

  test("on a file system without idmapped mounts, which the error names", async () => {
    const source = volume();
    mount(["-t", "overlay", "-o", `lowerdir=${hostFolder()}:${hostFolder()}`, "none"], source);
    const text = /cannot be idmapped.*\((?:ext4, )?overlay\).*mount_setattr .*: EINVAL.*chown/;
    // The folder of the file system belongs to root.
    await refused(source, { code: "IDMAP_REFUSED", text: /belongs to root/ });
    const outer = volume();
    mkdirSync(`${outer}/inside`);
    mount(["-t", "overlay", "-o", `lowerdir=${hostFolder()}:${hostFolder()}`, "none"], `${outer}/inside`);
    await refused(outer, { code: "IDMAP_REFUSED", text });
  });

  test("at a path without a volume", async () => {
    const text = /idmapped_volumes names \/srv\/no, where the task has no volume.*Its volumes are at \/srv/;
    await refused(volume(), { code: "CONFIG_INVALID", text }, ["/srv/no"]);
  });

  test("unless the operator allows it", async () => {
    const strict = await startWarmAgent({});
    const command = { ...optionsOf("true"), idmapped_volumes: ["/srv"] };
    const config = makeAllocation().config(command, { mounts: [volumeMount(volume(), "/srv")] });
    await expect(startTask(strict, config)).rejects.toThrow(
      /CONFIG_INVALID.*option "idmapped_volumes", which this client does not allow.*allow_idmapped_volumes = true/,
    );
  });
});

test("the operator may list volumes of root, whose files then belong to the task's user", async () => {
  const source = `${rootsVolumes}/one`;
  mkdirSync(source);
  writeFileSync(`${source}/file`, "content\n");
  const allocation = makeAllocation();
  const { uid } = allocation.user;
  expect(await run(allocation, "cat file; touch new; stat -c %u new", source)).toMatchObject({
    out: `content\n${uid}\n`,
  });
  expect(statSync(`${source}/new`)).toMatchObject({ uid: 0, gid: 0 });
});

test("a hundred starts leave no mount, no namespace, no descriptor and no process", async () => {
  const source = volume();
  const before = tracesOf(agent);
  const one = async () => {
    const allocation = makeAllocation();
    expect(await run(allocation, "cat file", source)).toMatchObject({ out: "content\n" });
  };
  for (let round = 0; round < 25; round += 1) await Promise.all([one(), one(), one(), one()]);
  await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
  // The plugin is in this process's mount namespace. Other tests mount something else.
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(source);
  expect(spawnSync("pgrep", ["-P", String(agent.pid), "exec2-idmap"]).status).toBe(1);
});

/** A folder with a file, which nobody else may enter. */
function volume(ids: { readonly uid: number; readonly gid: number } = owner): string {
  const source = hostFolder(ids);
  writeFileSync(`${source}/file`, "content\n", { mode: 0o600 });
  chownSync(`${source}/file`, ids.uid, ids.gid);
  chmodSync(source, 0o700);
  return source;
}

/** Runs a script in the volume at /srv. */
async function run(allocation: Allocation, script: string, source: string, differing = {}) {
  const command = { ...optionsOf(script), work_dir: "/srv", idmapped_volumes: ["/srv"] };
  const mounts = [volumeMount(source, "/srv", differing)];
  const { exitCode } = await runTask(agent, allocation.config(command, { mounts }));
  const [out, err] = await Promise.all([allocation.stdout.text(), allocation.stderr.text()]);
  return { exitCode, out, err };
}

function refused(
  source: string,
  { code, text }: { readonly code: string; readonly text: RegExp },
  idmapped: readonly string[] = ["/srv"],
): Promise<void> {
  const command = { ...optionsOf("true"), idmapped_volumes: idmapped };
  const config = makeAllocation().config(command, { mounts: [volumeMount(source, "/srv")] });
  return expectRefusal(agent, config, { code, text, recoverable: false });
}

function optionsOf(script: string) {
  return { command: "sh", args: ["-c", script] };
}

async function causeOf(taskId: string): Promise<unknown> {
  const events = await eventsOf(agent.stateDir, taskId);
  return Object(events.find(({ type }) => type === "exited")?.data).cause;
}

/** Makes a mount that lasts until the test has finished. */
function mount(what: readonly string[], where: string): void {
  const { status, stderr } = spawnSync("mount", [...what, where], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  onTestFinished(() => void spawnSync("umount", ["--lazy", where]));
}
