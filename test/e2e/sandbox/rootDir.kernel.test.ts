/** A root that is made of a folder: `root_dir`, as a Nomad client passes it. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type Agent, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import {
  type Allocation,
  type Differing,
  makeAllocation,
  noCollector,
} from "../../support/agent/allocation.ts";
import { busyboxTree } from "../../support/agent/busyboxTree.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { expectRefusal, startWarmAgent } from "../../support/agent/refusal.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { eventually } from "../../support/host/eventually.ts";
import { hostFolder } from "../../support/host/temporaryFolder.ts";
import { turnIntoLink } from "../../support/host/turningPath.ts";
import { leftSince, nothingLeft, tracesOf } from "../../support/plugin/pluginTraces.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startWarmAgent({
    options: {
      allow_root_dir: true,
      allow_root: true,
      allow_host_root: true,
      unveil_by_task: true,
      allow_idmapped_volumes: true,
    },
  });
});

describe("a task with root_dir", () => {
  test("has the folder's files and the driver's own, and nothing of the host", async () => {
    const { allocation, tree } = withTree();
    mkdirSync(`${tree}/etc`);
    writeFileSync(`${tree}/etc/os-release`, "ID=tree\n");
    writeFileSync(`${tree}/etc/hosts`, "192.0.2.1 forged\n");
    const script = [
      "cat /etc/os-release",
      "ls /",
      "cat /usr/bin/env /etc/login.defs",
      "echo $$ > /tmp/file && cat /tmp/file",
      "echo x > /dev/null",
      "head -c 1 /dev/urandom | wc -c",
      "touch $NOMAD_TASK_DIR/made $NOMAD_ALLOC_DIR/data/made $NOMAD_SECRETS_DIR/made /dev/shm/made",
      "cat /etc/hosts | head -1",
      "id -u",
    ].join("\n");
    const { out, err } = await run(allocation, script);
    const hosts = readFileSync("/etc/hosts", "utf8").split("\n")[0];
    expect(out.split("\n")).toEqual([
      ...["ID=tree", "bin", "dev", "etc", "proc", "tmp", "var"],
      ...[expect.stringMatching(/^\d+$/), "1", hosts, `${allocation.user.uid}`, ""],
    ]);
    expect(err).toBe(
      "cat: can't open '/usr/bin/env': No such file or directory\ncat: can't open '/etc/login.defs': No such file or directory\n",
    );
    // The driver has made nothing in the folder.
    expect(readdirSync(tree).toSorted()).toEqual(["bin", "etc"]);
    expect(existsSync(`${allocation.taskFolder}/local/made`)).toBe(true);
  });

  test("finds its command in the folder's PATH, through links in the folder", async () => {
    const { allocation, tree } = withTree();
    mkdirSync(`${tree}/usr/bin`, { recursive: true });
    symlinkSync("/bin/busybox", `${tree}/usr/bin/echo`);
    rmSync(`${tree}/bin/echo`);
    expect(await started(allocation, { command: "echo", args: ["found"] })).toMatchObject({ out: "found\n" });
  });

  test("may read and execute the folder's files, and change none", async () => {
    const { allocation, tree } = withTree();
    mkdirSync(`${tree}/srv`);
    writeFileSync(`${tree}/srv/file`, "content\n");
    chmodSync(`${tree}/srv`, 0o777);
    chmodSync(`${tree}/srv/file`, 0o666);
    const script = "cat /srv/file; echo x > /srv/file; touch /srv/new /new; rm /srv/file; mkdir /srv/a";
    const { out, err } = await run(allocation, script);
    expect(out).toBe("content\n");
    expect(err.match(/Permission denied|Read-only file system/g)?.length).toBeGreaterThanOrEqual(5);
    expect(readdirSync(`${tree}/srv`)).toEqual(["file"]);
  });

  test("with root_dir_writable changes them in memory, and the folder stays as it is", async () => {
    const { allocation, tree } = withTree();
    mkdirSync(`${tree}/srv`);
    writeFileSync(`${tree}/srv/file`, "content\n");
    chmodSync(`${tree}/srv`, 0o777);
    chmodSync(`${tree}/srv/file`, 0o666);
    const script =
      "echo more >> /srv/file; echo new > /srv/new; mkdir /srv/a; mv /srv/new /srv/a; cat /srv/file /srv/a/new; rm /srv/file; ls /srv";
    const outcome = await run(allocation, script, { root_dir_writable: true });
    expect(outcome).toEqual({ exitCode: 0, out: "content\nmore\nnew\na\n", err: "" });
    expect(readdirSync(`${tree}/srv`)).toEqual(["file"]);
    expect(readFileSync(`${tree}/srv/file`, "utf8")).toBe("content\n");
    expect(await run(allocation, "cat /srv/file", { root_dir_writable: true })).toMatchObject({
      out: expect.stringContaining("content\n"),
    });
  });

  test("may have volumes, unveiled paths of the host, names and a work dir on top", async () => {
    const { allocation } = withTree();
    const source = hostFolder({ uid: 20_001, gid: 20_001 });
    writeFileSync(`${source}/file`, "volume\n", { mode: 0o600 });
    spawnSync("chown", ["20001:20001", `${source}/file`]);
    const options = {
      unveil: ["r:/etc/os-release"],
      idmapped_volumes: ["/srv/data"],
      extra_hosts: ["db:192.0.2.5"],
      identity_files: true,
      work_dir: "/srv/data",
    };
    const script = "cat file; head -1 /etc/os-release; tail -1 /etc/hosts; tail -1 /etc/passwd; touch new";
    const { out, err } = await run(allocation, script, options, {
      mounts: [volumeMount(source, "/srv/data")],
    });
    const { name, uid } = allocation.user;
    expect({ out, err }).toEqual({
      out: `volume\n${readFileSync("/etc/os-release", "utf8").split("\n")[0]}\n192.0.2.5 db\n${name}:x:${uid}:${uid}::/nonexistent:/bin/sh\n`,
      err: "",
    });
  });

  test("runs commands in its root, also after its plugin was killed", async () => {
    const { allocation } = withTree();
    const options = { allow_root_dir: true };
    const first = await startAgent({ options });
    const config = allocation.config({ ...shell("echo up; exec sleep 1000"), root_dir: "local/tree" });
    const handle = await startTask(first, config);
    await allocation.stdout.contains("up\n");
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir, options });
    await next.driver.recoverTask({ taskId: "", handle });
    const { stdout, result } = await execScript(
      next,
      config.id,
      "busybox readlink -f /bin/sh; cat /etc/passwd",
    );
    expect((await result)?.exitCode).toBe(1);
    expect(`${stdout}`).toBe("/bin/busybox\n");
  });

  test("that misses a file or may not read it is not told to unveil it", async () => {
    const { allocation, tree } = withTree();
    mkdirSync(`${tree}/srv`);
    writeFileSync(`${tree}/srv/key`, "", { mode: 0o600 });
    const causeFor = async (path: string) => {
      // The driver's own logger has written all when the cause is looked for.
      const options = { root_dir: "local/tree", log_collection: "driver" };
      const config = allocation.config({ ...shell(`cat ${path} || exit 1`), ...options }, noCollector);
      await runTask(agent, config);
      const events = await eventsOf(agent.stateDir, config.id);
      return Object(events.find(({ type }) => type === "exited")?.data).cause.text;
    };
    expect(await causeFor("/etc/login.defs")).toBe(
      "its last line names /etc/login.defs: nothing is there in its root_dir",
    );
    expect(await causeFor("/srv/key")).toBe(
      `its last line: file /srv/key belongs to root, gid 0, mode 0600; the task runs as uid ${allocation.user.uid}`,
    );
  });

  test("records the folder's paths among the unveiled ones", async () => {
    const { allocation, tree } = withTree();
    mkdirSync(`${tree}/var/lib/app`, { recursive: true });
    writeFileSync(`${tree}/start`, "");
    const config = allocation.config({ ...shell("true"), root_dir: "local/tree" });
    await runTask(agent, config);
    const events = await eventsOf(agent.stateDir, config.id);
    const { unveiled, root } = Object(events.find(({ type }) => type === "sandboxed")?.data);
    const ofFolder = unveiled.filter(({ source }: { source: string }) => source === "root_dir");
    expect(root).toBe("private");
    // The task's own folders are below /var/lib.
    expect(ofFolder).toEqual([
      { path: "/bin", mode: "rx", source: "root_dir" },
      { path: "/start", mode: "rx", source: "root_dir" },
      { path: "/var/lib/app", mode: "rx", source: "root_dir" },
    ]);
  });
});

describe("a hostile folder", () => {
  test.each(["proc", "dev", "tmp", "etc", "etc/hosts", "etc/resolv.conf", "var"])(
    "with a symlink at %s leads nowhere",
    async (name) => {
      const { allocation, tree } = withTree();
      const outside = hostFolder();
      mkdirSync(`${outside}/lib`);
      if (name.includes("/")) mkdirSync(`${tree}/etc`);
      symlinkSync(outside, `${tree}/${name}`);
      const script =
        "cat /proc/sys/vm/overcommit_memory > /dev/null; echo x > /tmp/x; head -c 0 /etc/hosts; echo done";
      expect(await run(allocation, script)).toEqual({ exitCode: 0, out: "done\n", err: "" });
      expect(readdirSync(outside)).toEqual(["lib"]);
    },
  );

  test("with a file where the driver needs a folder, and a folder where it needs a file, is covered", async () => {
    const { allocation, tree } = withTree();
    for (const name of ["proc", "dev", "tmp", "var"]) writeFileSync(`${tree}/${name}`, "");
    mkdirSync(`${tree}/etc/hosts`, { recursive: true });
    const script =
      "head -c 0 /etc/hosts /dev/null /proc/sys/vm/overcommit_memory; touch /tmp/x $NOMAD_TASK_DIR/x; echo done";
    expect(await run(allocation, script)).toMatchObject({ exitCode: 0, err: "" });
  });

  test("with links out of it shows only what is in it", async () => {
    const { allocation, tree } = withTree();
    const secret = hostFolder();
    writeFileSync(`${secret}/file`, "secret\n");
    symlinkSync(secret, `${tree}/absolute`);
    symlinkSync("../../../../../../../../../../../..", `${tree}/up`);
    const { out, err } = await run(allocation, `cat /absolute/file /up${secret}/file; ls /up/bin/sh`);
    expect(out).toBe("/up/bin/sh\n");
    expect(err.match(/No such file/g)).toHaveLength(2);
  });

  test("gives no device, and no set-user-ID program has an effect", async () => {
    const { allocation, tree } = withTree();
    spawnSync("mknod", ["-m", "666", `${tree}/null`, "c", "1", "3"]);
    spawnSync("mknod", ["-m", "666", `${tree}/bin/disk`, "b", "254", "0"]);
    copyFileSync("/usr/bin/busybox", `${tree}/bin/root`);
    chmodSync(`${tree}/bin/root`, 0o6755);
    rmSync(`${tree}/bin/id`);
    symlinkSync("root", `${tree}/bin/id`);
    const { out, err } = await run(allocation, "/bin/id -u; /bin/id -g; cat /null; cat /bin/disk");
    expect(out).toBe(`${allocation.user.uid}\n${allocation.user.uid}\n`);
    expect(err.match(/Permission denied/g)).toHaveLength(2);
  });

  test("gives a task of root no device, nothing of the host, and no mount", async () => {
    const { allocation, tree } = withTree({ user: { name: "root", uid: 0, gid: 0 } });
    spawnSync("mknod", ["-m", "666", `${tree}/bin/disk`, "b", "254", "0"]);
    const script =
      "cat /bin/disk; mount -t tmpfs none /srv; chroot /bin; echo x > /proc/sys/kernel/hostname; cat /proc/kcore; id -u";
    const { out, err } = await run(allocation, script, { root_dir_writable: true });
    expect(out).toBe("0\n");
    expect(err.match(/denied|not permitted|Read-only/g)?.length).toBeGreaterThanOrEqual(4);
  });

  test("that is replaced by a link while the task starts is refused, or was the one that was checked", async () => {
    const { allocation, tree } = withTree();
    const elsewhere = hostFolder();
    writeFileSync(`${elsewhere}/secret`, "secret\n");
    const stopTurning = turnIntoLink(tree, elsewhere);
    const seen = new Set<string>();
    for (let round = 0; round < 15; round += 1) {
      const config = allocation.config({ ...shell("ls / | tr '\\n' ' '; echo"), root_dir: "local/tree" });
      const ended = await runTask(agent, config).then(
        () => "ran",
        (error: Error) => /ROOT_DIR_INVALID|COMMAND_NOT_FOUND/.exec(error.message)?.[0] ?? error.message,
      );
      seen.add(ended);
    }
    await stopTurning();
    expect([...seen].filter((each) => !/^(?:ran|ROOT_DIR_INVALID|COMMAND_NOT_FOUND)$/.test(each))).toEqual(
      [],
    );
    expect(await allocation.stdout.text()).not.toContain("secret");
  });
});

describe("root_dir is refused", () => {
  test.each<[string, Readonly<Record<string, unknown>>, string, RegExp]>([
    ["a folder that is missing", { root_dir: "local/no" }, "ROOT_DIR_INVALID", /"local\/no" does not exist/],
    ["a file", { root_dir: "local/tree/bin/busybox" }, "ROOT_DIR_INVALID", /is not a folder/],
    ["a link", { root_dir: "local/link" }, "ROOT_DIR_INVALID", /leads through a symlink/],
    ["a folder behind a link", { root_dir: "local/link/bin" }, "ROOT_DIR_INVALID", /leads through a symlink/],
    [
      "a folder of the host",
      { root_dir: "/usr" },
      "ROOT_DIR_INVALID",
      /"\/usr" is not in local\/ or alloc\//,
    ],
    ["local itself", { root_dir: "local" }, "ROOT_DIR_INVALID", /is not in local\/ or alloc\//],
    ["a path with ..", { root_dir: "local/../../x" }, "ROOT_DIR_INVALID", /is not in local\/ or alloc\//],
    ["secrets", { root_dir: "secrets/tree" }, "ROOT_DIR_INVALID", /is not in local\/ or alloc\//],
    ["a command outside", { command: "/usr/bin/env" }, "COMMAND_NOT_FOUND", /Install it in root_dir/],
    ["a missing work dir", { work_dir: "/no" }, "WORK_DIR_INVALID", /is not a folder in root_dir/],
    ["the host's root besides", { root: "host" }, "CONFIG_INVALID", /it has root_dir, and root = "host"/],
    ["all of the host", { unveil: ["r:/"] }, "CONFIG_INVALID", /but \/ is unveiled/],
  ])("with %s", async (_what, options, code, text) => {
    const { allocation, tree } = withTree();
    symlinkSync(tree, `${allocation.taskFolder}/local/link`);
    const command = { ...shell("true"), root_dir: "local/tree", ...options };
    const config = allocation.config(command);
    if (code === "CONFIG_INVALID" && "root" in options) {
      await expect(startTask(agent, config)).rejects.toThrow(text);
      return;
    }
    await expectRefusal(agent, config, { code, text, recoverable: false });
  });

  test("with more at its top than a root file system has, however many names it has", async () => {
    const refused = async (allocation: Allocation, text: RegExp) => {
      const config = allocation.config({ ...shell("true"), root_dir: "local/tree" });
      await expectRefusal(agent, config, { code: "ROOT_DIR_INVALID", text, recoverable: false });
    };
    const linked = withTree();
    for (let made = 0; made < 1_000; made += 1) symlinkSync("bin", `${linked.tree}/link${made}`);
    expect(await run(linked.allocation, "ls / | grep -c link")).toMatchObject({ out: "1000\n" });
    for (let made = 1_000; made < 4_096; made += 1) symlinkSync("bin", `${linked.tree}/link${made}`);
    await refused(linked.allocation, /"local\/tree" has more than 4096 names at its top/);
    const filled = withTree();
    for (let made = 0; made < 256; made += 1) writeFileSync(`${filled.tree}/file${made}`, "");
    await refused(filled.allocation, /"local\/tree" has more than 256 files and folders at its top/);
  });

  test("unless the operator allows it", async () => {
    const strict = await startWarmAgent({});
    const { allocation } = withTree();
    const config = allocation.config({ ...shell("true"), root_dir: "local/tree" });
    await expect(startTask(strict, config)).rejects.toThrow(
      /option "root_dir", which this client does not allow/,
    );
  });
});

test("a hundred starts leave nothing", async () => {
  const before = tracesOf(agent);
  for (let round = 0; round < 25; round += 1) {
    const four = [1, 2, 3, 4].map(() => run(withTree().allocation, "true"));
    for (const outcome of await Promise.all(four)) expect(outcome.exitCode).toBe(0);
  }
  await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toMatch(/local\/tree|overlay exec2/);
});

/** An allocation with an unpacked tree of busybox in `local/tree`. */
function withTree(options = {}): { readonly allocation: Allocation; readonly tree: string } {
  const allocation = makeAllocation(options);
  return { allocation, tree: busyboxTree(allocation, programs) };
}

const programs = "sh cat ls echo head tail wc touch id rm mkdir mv sleep true tr mount chroot".split(" ");

function shell(script: string) {
  return { command: "sh", args: ["-c", script] };
}

function run(allocation: Allocation, script: string, options = {}, differing: Differing = {}) {
  return started(allocation, { ...shell(script), ...options }, differing);
}

async function started(allocation: Allocation, options: object, differing: Differing = {}) {
  const config = allocation.config({ root_dir: "local/tree", ...options }, differing);
  const { exitCode } = await runTask(agent, config);
  const [out, err] = await Promise.all([allocation.stdout.text(), allocation.stderr.text()]);
  return { exitCode, out, err };
}
