/** Files and folders of a task's own at other paths, and folders in memory: `mount`, as a Nomad client passes it. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { mkfifo } from "../../../src/effects/kernel/libc.ts";
import { type Agent, runTask, startTask, waitTask } from "../../support/agent/agent.ts";
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
      ...{ allow_root_dir: true, allow_host_root: true, allow_host_pid: true, unveil_by_task: true },
    },
  });
});

/** Blocks as a client decodes them. */
type Block = Readonly<Record<string, string>>;

const bind = (source: string, target: string, more: Block = {}): Block => ({ source, target, ...more });
const writable = { readonly: "false" };
const memory = (target: string, size: string): Block => ({ type: "tmpfs", target, size });

function shell(script: string, mount: readonly Block[], options: object = {}) {
  return { command: "sh", args: ["-c", script], mount, ...options };
}

async function run(
  allocation: Allocation,
  script: string,
  mount: readonly Block[],
  options: object = {},
  differing: Differing = {},
) {
  const { exitCode } = await runTask(agent, allocation.config(shell(script, mount, options), differing));
  const [out, err] = await Promise.all([allocation.stdout.text(), allocation.stderr.text()]);
  return { exitCode, out, err };
}

/** An allocation in which everything belongs to the task's user, as what a template makes may. */
function withFiles(): Allocation {
  const allocation = makeAllocation();
  const { uid, gid } = allocation.user;
  const local = `${allocation.taskFolder}/local`;
  const folders = [`${local}/etc`, `${allocation.folder}/alloc/data/shared`];
  const files = {
    [`${local}/app.conf`]: "a = 1\n",
    [`${local}/etc/app.conf`]: "b = 2\n",
    [`${allocation.folder}/alloc/data/shared/file`]: "shared\n",
    [`${allocation.taskFolder}/secrets/key`]: "key\n",
  };
  for (const path of folders) {
    mkdirSync(path, { recursive: true });
    chownSync(path, uid, gid);
  }
  for (const [path, text] of Object.entries(files)) {
    writeFileSync(path, text);
    chownSync(path, uid, gid);
  }
  return allocation;
}

describe("a file or folder of the task's own", () => {
  test("is at its target, read-only, and the host has nothing there", async () => {
    const blocks = [
      bind("local/app.conf", "/etc/exec2-app/app.conf"),
      bind("local/etc", "/srv/exec2/etc"),
      bind("alloc/data/shared", "/var/lib/exec2-app"),
      bind("secrets/key", "/etc/exec2-app/key"),
    ];
    const script = [
      "cd /etc/exec2-app && cat app.conf key /srv/exec2/etc/app.conf /var/lib/exec2-app/file",
      "for path in app.conf key /srv/exec2/etc/app.conf /var/lib/exec2-app/file; do",
      '  (echo x >> "$path") 2> /dev/null && echo "wrote $path"; rm -f "$path" 2> /dev/null && echo "removed $path"',
      "done",
      "touch new /srv/exec2/etc/new /var/lib/exec2-app/new 2> /dev/null || echo refused",
      "ls /srv/exec2/etc",
    ].join("\n");
    const allocation = withFiles();
    expect(await run(allocation, script, blocks)).toEqual({
      exitCode: 0,
      out: "a = 1\nkey\nb = 2\nshared\nrefused\napp.conf\n",
      err: "",
    });
    expect(readdirSync(`${allocation.taskFolder}/local/etc`)).toEqual(["app.conf"]);
    expect(existsSync("/etc/exec2-app") || existsSync("/srv/exec2")).toBe(false);
  });

  test("is writable if the block says so, and changes are the source's", async () => {
    const blocks = [
      bind("local/app.conf", "/etc/exec2-app.conf", writable),
      bind("alloc/data/shared", "/srv/exec2", writable),
      bind("secrets", "/srv/secrets", writable),
    ];
    const script = [
      "echo more >> /etc/exec2-app.conf && echo new > /srv/exec2/new && rm /srv/exec2/file && ls /srv/exec2",
      "cp /bin/true /srv/exec2/program && /srv/exec2/program && echo runs",
    ].join("\n");
    const allocation = withFiles();
    expect(await run(allocation, script, blocks)).toEqual({ exitCode: 0, out: "new\nruns\n", err: "" });
    expect(readFileSync(`${allocation.taskFolder}/local/app.conf`, "utf8")).toBe("a = 1\nmore\n");
    expect(readdirSync(`${allocation.folder}/alloc/data/shared`).toSorted()).toEqual(["new", "program"]);
  });

  test.each([
    ["the host's processes", { pid_mode: "host" }, {}],
    ["log files by the driver", { log_collection: "driver" }, noCollector],
    ["a /tmp in memory", { tmp_size: "2MB" }, {}],
  ])("is there in a task with %s", async (_what, options, differing) => {
    const allocation = withFiles();
    const script =
      "cat /etc/exec2-app.conf /tmp/in > $NOMAD_TASK_DIR/out; ls /srv/exec2 >> $NOMAD_TASK_DIR/out; echo x > /var/cache/exec2/x";
    const blocks = [
      bind("local/app.conf", "/etc/exec2-app.conf"),
      bind("local/app.conf", "/tmp/in"),
      bind("local/etc", "/srv/exec2"),
      memory("/var/cache/exec2", "2MB"),
    ];
    const config = allocation.config(shell(script, blocks, options), differing);
    expect(await runTask(agent, config)).toMatchObject({ exitCode: 0 });
    const out = readFileSync(`${allocation.taskFolder}/local/out`, "utf8");
    expect(out).toBe("a = 1\na = 1\napp.conf\n");
  });

  test("of secrets is not executable, as in its folder", async () => {
    const allocation = withFiles();
    const program = `${allocation.taskFolder}/secrets/program`;
    copyFileSync("/bin/true", program);
    chmodSync(program, 0o755);
    const script = "/srv/program; echo $?; $NOMAD_SECRETS_DIR/program; echo $?";
    const outcome = await run(allocation, script, [bind("secrets/program", "/srv/program")]);
    expect(outcome).toMatchObject({ out: "126\n126\n" });
  });

  test("may be what the host has another file of, below /tmp, the command or the working directory", async () => {
    const allocation = withFiles();
    writeFileSync(
      `${allocation.taskFolder}/local/start`,
      "#!/bin/sh\npwd; cat app.conf /etc/services /tmp/in\n",
    );
    chmodSync(`${allocation.taskFolder}/local/start`, 0o755);
    const mount = [
      bind("local/start", "/opt/exec2/start"),
      bind("local/app.conf", "/etc/services"),
      bind("local/app.conf", "/tmp/in"),
      bind("local/etc", "/srv/exec2"),
    ];
    await runTask(agent, allocation.config({ command: "/opt/exec2/start", mount, work_dir: "/srv/exec2" }));
    expect(await allocation.stdout.text()).toBe("/srv/exec2\nb = 2\na = 1\na = 1\n");
  });

  test("is on top of root_dir, whatever that has there", async () => {
    const allocation = withFiles();
    const tree = busyboxTree(allocation, ["sh", "cat", "ls", "df"]);
    mkdirSync(`${tree}/etc/app`, { recursive: true });
    writeFileSync(`${tree}/etc/app/other`, "of the tree\n");
    const outside = hostFolder();
    symlinkSync(outside, `${tree}/srv`);
    const blocks = [
      bind("local/app.conf", "/etc/app/app.conf"),
      bind("local/etc", "/srv/etc"),
      memory("/var/cache/app", "2MiB"),
    ];
    const script =
      "cat /etc/app/app.conf /etc/app/other /srv/etc/app.conf; echo x > /var/cache/app/x && ls /var/cache/app";
    expect(await run(allocation, script, blocks, { root_dir: "local/tree" })).toEqual({
      exitCode: 0,
      out: "a = 1\nof the tree\nb = 2\nx\n",
      err: "",
    });
    expect(readdirSync(outside)).toEqual([]);
  });

  test("is among the unveiled paths, by its target", async () => {
    const config = withFiles().config(
      shell("true", [
        bind("local/app.conf", "/etc/exec2-app.conf"),
        bind("local/etc", "/srv/exec2", writable),
        memory("/var/cache/exec2", "2"),
      ]),
    );
    await runTask(agent, config);
    const events = await eventsOf(agent.stateDir, config.id);
    const { unveiled } = Object(events.find(({ type }) => type === "sandboxed")?.data);
    expect(unveiled.filter(({ source }: { source: string }) => source === "mount")).toEqual([
      { path: "/etc/exec2-app.conf", mode: "rx", source: "mount" },
      { path: "/srv/exec2", mode: "rwxc", source: "mount" },
      { path: "/var/cache/exec2", mode: "rwxc", source: "mount" },
    ]);
  });
});

test("what is renamed into place, as a template is that is rendered again, is seen in a folder, and not as a file", async () => {
  const allocation = withFiles();
  const local = `${allocation.taskFolder}/local`;
  const release = allocation.gate();
  const mount = [bind("local/etc/app.conf", "/srv/exec2/file"), bind("local/etc", "/srv/exec2/folder")];
  const config = allocation.config(
    shell("echo up; read -r _ < $NOMAD_TASK_DIR/gate; cat /srv/exec2/file /srv/exec2/folder/app.conf", mount),
  );
  await startTask(agent, config);
  await allocation.stdout.contains("up\n");
  writeFileSync(`${local}/next`, "c = 3\n");
  chownSync(`${local}/next`, allocation.user.uid, allocation.user.gid);
  renameSync(`${local}/next`, `${local}/etc/app.conf`);
  const { stdout } = await execScript(agent, config.id, "cat /srv/exec2/folder/app.conf");
  expect(`${stdout}`).toBe("c = 3\n");
  release();
  await waitTask(agent, config);
  expect(await allocation.stdout.text()).toBe("up\nb = 2\nc = 3\n");
});

test("a task may have thirty-two mounts", async () => {
  const allocation = withFiles();
  const blocks = Array.from({ length: 32 }, (_, index) =>
    index % 2 === 0 ? bind("local/app.conf", `/srv/file${index}`) : memory(`/srv/folder${index}`, "1MiB"),
  );
  const script = "cat /srv/file0 /srv/file30; echo x > /srv/folder31/x";
  const { exitCode, out } = await run(allocation, script, blocks);
  expect({ exitCode, out }).toEqual({ exitCode: 0, out: "a = 1\na = 1\n" });
});

describe("a folder in memory", () => {
  test("has its size, runs programs, belongs to the task, and is gone with it", async () => {
    const script = [
      "stat -f -c %T /var/cache/exec2",
      "df -k /var/cache/exec2 | tail -1 | tr -s ' ' | cut -d' ' -f2",
      "ls -A /var/cache/exec2",
      "cp /bin/true /var/cache/exec2/program && /var/cache/exec2/program && echo runs",
      "head -c 3000000 /dev/zero > /var/cache/exec2/large || echo full",
      "echo x > /srv/cache && cat /srv/cache",
    ].join("\n");
    const allocation = withFiles();
    const blocks = [memory("/var/cache/exec2", "2")];
    const first = await run(allocation, script, blocks, { work_dir: "/var/cache/exec2" });
    expect(first.out).toBe("tmpfs\n2048\nruns\nfull\n");
    expect(first.err).toMatch(/No space left on device/);
    expect(first.err).toMatch(/srv\/cache/);
    const again = await run(allocation, "ls -A /var/cache/exec2; pwd", blocks);
    expect(again.out).toBe(`${first.out}${allocation.taskFolder}\n`);
  });

  test("has neither devices nor set-user-ID programs", async () => {
    const { out } = await run(
      withFiles(),
      "while read -r _ _ _ _ at how _; do [ $at = /var/cache/exec2 ] && echo $how; done < /proc/self/mountinfo",
      [memory("/var/cache/exec2", "2MB")],
      { unveil: ["r:/proc/self/mountinfo"] },
    );
    expect(out.trim().split(",")).toEqual(expect.arrayContaining(["rw", "nosuid", "nodev"]));
  });
});

describe("the start is refused", () => {
  test.each<[string, Block, string, RegExp, boolean?]>([
    ["a link", bind("local/link", "/x"), "MOUNT_SOURCE_INVALID", /leads through a symlink/],
    ["behind a link", bind("local/up/x", "/x"), "MOUNT_SOURCE_INVALID", /leads through a symlink/],
    ["a link to the logs", bind("alloc/data/logs", "/x", writable), "MOUNT_SOURCE_INVALID", /a symlink/],
    ["a FIFO", bind("local/fifo", "/x"), "MOUNT_SOURCE_INVALID", /neither a file nor a folder/],
    [
      "a missing file",
      bind("local/no", "/x"),
      "MOUNT_SOURCE_MISSING",
      /local\/no, .*does not exist|does not exist/,
      true,
    ],
    ["the logs", bind("alloc/logs", "/x", writable), "MOUNT_SOURCE_INVALID", /the allocation's logs/],
    ["around the logs", bind("alloc", "/x", writable), "MOUNT_SOURCE_INVALID", /the allocation's logs/],
    ["of the host", bind("/etc/shadow", "/x"), "MOUNT_SOURCE_INVALID", /is not in local\//],
    ["at /dev/x", bind("local/etc", "/dev/x"), "MOUNT_TARGET_INVALID", /is in \/dev/],
    ["at /etc", bind("local/etc", "/etc"), "MOUNT_TARGET_INVALID", /would replace \/etc\/hosts/],
    [
      "in an unveiled folder",
      bind("local/etc", "/usr/lib/exec2-no"),
      "MOUNT_TARGET_INVALID",
      /does not exist/,
    ],
    ["memory in one", memory("/usr/lib/exec2-no", "2MB"), "MOUNT_TARGET_INVALID", /is in \/usr\/lib/],
    ["memory in /tmp", memory("/tmp/x", "2MB"), "MOUNT_TARGET_INVALID", /is in \/tmp/],
  ])("with %s", async (_what, block, code, text, recoverable = false) => {
    const allocation = withFiles();
    const local = `${allocation.taskFolder}/local`;
    symlinkSync("app.conf", `${local}/link`);
    symlinkSync("../..", `${local}/up`);
    symlinkSync("../logs", `${allocation.folder}/alloc/data/logs`);
    mkfifo(`${local}/fifo`, 0o666);
    await expectRefusal(agent, allocation.config(shell("true", [block])), { code, text, recoverable });
  });

  test("over a volume, or in it", async () => {
    const mounts = [volumeMount(hostFolder(), "/srv/data")];
    for (const target of ["/srv", "/srv/data", "/srv/data/x"]) {
      const config = withFiles().config(shell("true", [bind("local/etc", target)]), { mounts });
      const text = /overlaps with the mount at \/srv\/data/;
      await expectRefusal(agent, config, { code: "MOUNT_TARGET_INVALID", text, recoverable: false });
    }
  });

  test("in the host's tree", async () => {
    const blocks = [bind("local/etc", "/srv/exec2")];
    const text = /has mount, but the task has no root of its own/;
    const hosts = withFiles().config(shell("true", blocks, { root: "host" }));
    await expect(startTask(agent, hosts)).rejects.toThrow(text);
    const config = withFiles().config(shell("true", blocks, { unveil: ["r:/"] }));
    await expectRefusal(agent, config, { code: "CONFIG_INVALID", text, recoverable: false });
  });
});

describe("a source that becomes a link while the task starts", () => {
  test.each([
    ["itself", "swapped"],
    ["on its way", "swapped/inner"],
  ])("%s opens nothing", async (_where, source) => {
    const allocation = withFiles();
    const data = `${allocation.folder}/alloc/data`;
    const swapped = `${data}/swapped`;
    const elsewhere = hostFolder();
    mkdirSync(`${swapped}/inner`, { recursive: true });
    for (const folder of [elsewhere, `${elsewhere}/inner`]) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(`${folder}/secret`, "secret\n");
    }
    const stopTurning = turnIntoLink(swapped, elsewhere);
    const seen = new Set<string>();
    for (let round = 0; round < 15; round += 1) {
      const script = "ls /srv/exec2; cat /srv/exec2/secret; echo x > /srv/exec2/made";
      const config = allocation.config(shell(script, [bind(`alloc/data/${source}`, "/srv/exec2", writable)]));
      const ended = await runTask(agent, config).then(
        () => "ran",
        (error: Error) =>
          /MOUNT_SOURCE_INVALID|MOUNT_SOURCE_MISSING|UNVEIL_PATH_UNSAFE|LAUNCH_FAILED.*(?:ELOOP|ENOENT)/s.exec(
            error.message,
          ) === null
            ? error.message
            : "refused",
      );
      seen.add(ended);
    }
    await stopTurning();
    expect([...seen].filter((each) => each !== "ran" && each !== "refused")).toEqual([]);
    expect(await allocation.stdout.text()).not.toContain("secret");
    expect(readdirSync(elsewhere).toSorted()).toEqual(["inner", "secret"]);
    expect(readdirSync(`${elsewhere}/inner`)).toEqual(["secret"]);
  });
});

test("starts leave nothing", async () => {
  const before = tracesOf(agent);
  const blocks = [bind("local/etc", "/srv/exec2"), memory("/var/cache/exec2", "2MB")];
  for (let round = 0; round < 5; round += 1) {
    const four = [1, 2, 3, 4].map(() => run(withFiles(), "true", blocks));
    for (const outcome of await Promise.all(four)) expect(outcome.exitCode).toBe(0);
  }
  await eventually(() => expect(leftSince(before, agent)).toEqual(nothingLeft));
  expect(spawnSync("grep", ["-c", "srv/exec2", "/proc/self/mountinfo"]).status).toBe(1);
});
