/** Volumes as a Nomad client passes them: mounts of a task's config. */

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Mount } from "../../../src/grpc/generated/nomad/driver.ts";
import { type Agent, pidOf, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Allocation, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { expectRefusal } from "../../support/agent/refusal.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { hostFolder, persistentFolders } from "../../support/host/temporaryFolder.ts";

let agent: Agent;
beforeAll(async () => {
  // Tasks run in the host's tree, where only Landlock hides a volume's source.
  agent = await startAgent({ options: { unveil_by_task: true, root: "host" } });
});

describe("a volume", () => {
  test("is accessible at its destination, which the driver creates in the task's folder, and not at its source", async () => {
    const { allocation, source } = volume();
    const target = `${allocation.taskFolder}/local/deep/data`;
    const outcome = await run(
      allocation,
      `cat ${target}/file && echo more > ${target}/new && cat ${source}/file; ls ${source}`,
      [volumeMount(source, target)],
    );
    expect(outcome).toMatchObject({ exitCode: 2, out: "content\n" });
    expect(outcome.err).toMatch(/cat: .*file: Permission denied\nls: .*Permission denied/);
    expect(readFileSync(`${source}/new`, "utf8")).toBe("more\n");
    // On the host the destination is an empty folder.
    expect(readdirSync(target)).toEqual([]);
  });

  test("has a destination relative to the task's folder, or in its /tmp", async () => {
    const { allocation, source } = volume();
    const mounts = [volumeMount(source, "local/data"), volumeMount(source, "/tmp/data")];
    const script = `cat $NOMAD_TASK_DIR/data/file /tmp/data/file`;
    expect(await run(allocation, script, mounts)).toEqual({
      exitCode: 0,
      out: "content\ncontent\n",
      err: "",
    });
    expect(existsSync("/tmp/data")).toBe(false);
  });

  test("has a destination in the task's folder, even if the agent's path there has a symlink", async () => {
    const { allocation, source } = volume();
    const link = `${hostFolder()}/alloc`;
    symlinkSync(allocation.folder, link);
    const env = {
      NOMAD_ALLOC_DIR: `${link}/alloc`,
      NOMAD_TASK_DIR: `${link}/main/local`,
      NOMAD_SECRETS_DIR: `${link}/main/secrets`,
    };
    const mounts = [volumeMount(source, "local/data"), volumeMount("/etc/hostname", "local/data/file")];
    const script = "cat $NOMAD_TASK_DIR/data/file";
    expect(await run(allocation, script, mounts, env)).toMatchObject({
      exitCode: 0,
      out: readFileSync("/etc/hostname", "utf8"),
    });
  });

  test("may have any existing path of the host as its destination", async () => {
    const { allocation, source } = volume();
    const outcome = await run(allocation, "cat /srv/file; ls /mnt", [volumeMount(source, "/srv")]);
    expect(outcome).toMatchObject({ exitCode: 2, out: "content\n" });
  });

  test("that is read-only cannot be written, with any right", async () => {
    const { allocation, source } = volume();
    const script = `cd $NOMAD_TASK_DIR/data; cat file; echo x > new; echo x > file; rm file; chmod 777 file`;
    const outcome = await run(allocation, script, [volumeMount(source, "local/data", { readonly: true })]);
    expect(outcome).toMatchObject({ exitCode: 1, out: "content\n" });
    expect(outcome.err.match(/Read-only file system|Permission denied/g)).toHaveLength(4);
    expect(readdirSync(source)).toEqual(["file"]);
  });

  test("is also read-only by Landlock outside of folders that the task may write to", async () => {
    const { allocation, source } = volume();
    const config = allocation.config("true", { mounts: [volumeMount(source, "/srv", { readonly: true })] });
    await runTask(agent, config);
    const events = await eventsOf(agent.stateDir, config.id);
    expect(events.find(({ type }) => type === "sandboxed")?.data).toMatchObject({
      unveiled: expect.arrayContaining([{ path: "/srv", mode: "rx", source: "volume" }]),
    });
  });

  test("may be a file", async () => {
    const { allocation, source } = volume();
    const mounts = [
      volumeMount(`${source}/file`, "local/one"),
      volumeMount(`${source}/file`, "/etc/hosts", { readonly: true }),
    ];
    const script = `cat $NOMAD_TASK_DIR/one /etc/hosts ${source}/file; echo x > /etc/hosts`;
    const outcome = await run(allocation, script, mounts);
    expect(outcome).toMatchObject({ exitCode: 2, out: "content\ncontent\n" });
    expect(outcome.err.match(/denied|Read-only/g)).toHaveLength(2);
  });

  test("may be inside another volume, in any order of the mounts", async () => {
    const { allocation, source } = volume();
    const inner = hostFolder(allocation.user);
    writeFileSync(`${inner}/file`, "inner\n");
    mkdirSync(`${source}/sub`);
    const mounts = [volumeMount(inner, "/srv/sub"), volumeMount(source, "/srv")];
    expect(await run(allocation, "cat /srv/file /srv/sub/file", mounts)).toMatchObject({
      out: "content\ninner\n",
    });
  });

  test("includes mounts inside its source", async () => {
    const { allocation, source } = volume();
    mkdirSync(`${source}/sub`);
    mountHere(["-t", "tmpfs", "none"], `${source}/sub`);
    writeFileSync(`${source}/sub/file`, "mounted\n");
    const mounts = [volumeMount(source, "local/data", { readonly: true })];
    const outcome = await run(
      allocation,
      "cat $NOMAD_TASK_DIR/data/sub/file; echo x > $NOMAD_TASK_DIR/data/sub/file",
      mounts,
    );
    expect(outcome).toMatchObject({ out: "mounted\n", err: expect.stringMatching(/Read-only|denied/) });
  });

  test.each(["/srv/program", "/srv/absolute", "./program", "program"])(
    "may contain the task's command, %s, and the work dir",
    async (command) => {
      const { allocation, source } = volume();
      writeFileSync(`${source}/program`, "#!/bin/sh\npwd; echo ran\n", { mode: 0o755 });
      symlinkSync("/srv/program", `${source}/absolute`);
      const env = { PATH: "/srv:/usr/bin:/bin" };
      const outcome = await run(
        allocation,
        { command, work_dir: "/srv" },
        [volumeMount(source, "/srv")],
        env,
      );
      expect(outcome).toEqual({ exitCode: 0, out: "/srv\nran\n", err: "" });
    },
  );

  test("stays accessible at its source if the source itself is unveiled", async () => {
    const { allocation, source } = volume();
    const command = { command: "cat", args: [`${source}/file`, "/srv/file"], unveil: [`r:${source}`] };
    expect(await run(allocation, command, [volumeMount(source, "/srv")])).toMatchObject({
      out: "content\ncontent\n",
    });
  });

  test("that contains the task's own folders does not hide them", async () => {
    const { allocation } = volume();
    const script = "echo kept > $NOMAD_TASK_DIR/file; cat $NOMAD_TASK_DIR/file";
    expect(await run(allocation, script, [volumeMount(persistentFolders, "/srv")])).toMatchObject({
      out: "kept\n",
    });
  });

  test("is mounted without devices and set-user-ID programs", async () => {
    const { allocation, source } = volume();
    const command = { command: "grep", args: [" /srv ", "/proc/self/mountinfo"], unveil: ["r:/proc/self"] };
    const { out } = await run(allocation, command, [volumeMount(source, "/srv")]);
    expect(out).toMatch(/ \/srv \S*nosuid,nodev/);
    expect(out).not.toMatch(/shared:|master:/);
  });
});

describe("a later mount of the host below a volume's source", () => {
  test("appears with host-to-task, and does not with private", async () => {
    const { allocation, source } = volume();
    mountHere(["--bind", source], source);
    command("mount", ["--make-shared", source]);
    mkdirSync(`${source}/later`);
    const release = allocation.gate();
    const script = "read -r _ < $NOMAD_TASK_DIR/gate; ls /srv/later /mnt/later";
    const config = allocation.config(script, {
      mounts: [volumeMount(source, "/srv", { propagationMode: "host-to-task" }), volumeMount(source, "/mnt")],
    });
    await startTask(agent, config);
    mountHere(["-t", "tmpfs", "none"], `${source}/later`);
    writeFileSync(`${source}/later/arrived`, "");
    release();
    await agent.driver.waitTask({ taskId: config.id });
    expect(await allocation.stdout.text()).toBe("/mnt/later:\n\n/srv/later:\narrived\n");
  });

  test("is refused if the host's mount is private, because a later mount could not reach the task", async () => {
    const { allocation, source } = volume();
    mountHere(["--bind", source], source);
    command("mount", ["--make-private", source]);
    await refused(allocation, [volumeMount(source, "/srv", { propagationMode: "host-to-task" })], {
      code: "MOUNT_SOURCE_INVALID",
      text: /is private, so nothing mounted there later can reach the task.*make-rshared/,
    });
  });
});

describe("a volume is refused", () => {
  test.each<[string, string, RegExp, Partial<Mount>]>([
    [
      "a source that is missing",
      "MOUNT_SOURCE_MISSING",
      /does not exist \(openat2 \/no\/such: ENOENT\)/,
      { hostPath: "/no/such" },
    ],
    ["a source in /proc", "MOUNT_SOURCE_INVALID", /is in the host's \/proc/, { hostPath: "/proc/sys" }],
    [
      "a destination that is missing on the host",
      "MOUNT_TARGET_INVALID",
      /does not exist.*Create it: the driver creates nothing outside/,
      { taskPath: "/no/such" },
    ],
    ["a destination with ..", "MOUNT_TARGET_INVALID", /has a ".."/, { taskPath: "local/../../x" }],
    ["no destination", "MOUNT_TARGET_INVALID", /is not a path/, { taskPath: "" }],
    ["the root folder", "MOUNT_TARGET_INVALID", /would hide the task's own folder/, { taskPath: "/" }],
    [
      "the task's own folder",
      "MOUNT_TARGET_INVALID",
      /would hide the task's own folder/,
      { taskPath: "local" },
    ],
    ["/proc", "MOUNT_TARGET_INVALID", /own \/proc/, { taskPath: "/proc/sys" }],
    [
      "a folder on a file",
      "MOUNT_TARGET_INVALID",
      /is a file, but the volume is a folder/,
      { taskPath: "/etc/hosts" },
    ],
    [
      "a file on a folder",
      "MOUNT_TARGET_INVALID",
      /is a folder, but the source of the mount is a file/,
      { hostPath: "/etc/hosts" },
    ],
  ])("%s", async (_what, code, text, differing) => {
    const { allocation, source } = volume();
    await refused(allocation, [volumeMount(source, "/srv", differing)], { code, text });
  });

  test("a destination behind a symlink of the host", async () => {
    const { allocation, source } = volume();
    const folder = hostFolder();
    mkdirSync(`${folder}/target/in`, { recursive: true });
    symlinkSync("target", `${folder}/link`);
    await refused(allocation, [volumeMount(source, `${folder}/link/in`)], {
      code: "MOUNT_TARGET_INVALID",
      text: /leads through a symlink.*Name the path/,
    });
  });

  test("twice at one destination", async () => {
    const { allocation, source } = volume();
    const text = /"\/srv" is requested twice/;
    await refused(allocation, [volumeMount(source, "/srv"), volumeMount("/etc", "/srv/")], {
      code: "MOUNT_TARGET_INVALID",
      text,
    });
  });

  test("in another volume that lacks the destination; nothing is created there", async () => {
    const { allocation, source } = volume();
    const mounts = [volumeMount(source, "/srv"), volumeMount("/etc", "/srv/missing")];
    await refused(allocation, mounts, {
      code: "MOUNT_TARGET_INVALID",
      text: /lies in another volume: create it there/,
    });
    expect(readdirSync(source)).toEqual(["file"]);
  });

  test.each(["local/link", "local/link/sub"])(
    "at %s, behind a symlink that a task has created",
    async (target) => {
      const { allocation, source } = volume();
      const elsewhere = hostFolder();
      symlinkSync(elsewhere, `${allocation.taskFolder}/local/link`);
      await refused(allocation, [volumeMount(source, target)], {
        code: "MOUNT_TARGET_INVALID",
        text: /leads through a symlink|cannot be reached/,
      });
      expect(readdirSync(elsewhere)).toEqual([]);
    },
  );
});

test("later commands in the task have exactly its volumes", async () => {
  const { allocation, source } = volume();
  const config = allocation.config("exec sleep 1000", {
    mounts: [volumeMount(source, "/srv", { readonly: true })],
  });
  await startTask(agent, config);
  const { stdout, result } = await execScript(
    agent,
    config.id,
    `cat /srv/file; cat ${source}/file; echo x > /srv/file`,
  );
  expect([`${stdout}`, (await result)?.exitCode]).toEqual(["content\n", 2]);
  expect(readFileSync(`${source}/file`, "utf8")).toBe("content\n");
});

test("a task without volumes has no additional mount", async () => {
  const allocation = makeAllocation();
  const config = allocation.config("exec sleep 1000");
  await startTask(agent, config);
  const mounts = readFileSync(`/proc/${await pidOf(agent, config)}/mountinfo`, "utf8");
  const own = readFileSync("/proc/self/mountinfo", "utf8");
  // The three mounts are /proc, /tmp and the logs.
  expect(mounts.split("\n").length - own.split("\n").length).toBe(3);
});

/** An allocation, and a folder with a file. The folder belongs to the allocation's user. */
function volume() {
  const allocation = makeAllocation();
  const source = hostFolder(allocation.user);
  writeFileSync(`${source}/file`, "content\n", { mode: 0o666 });
  chmodSync(`${source}/file`, 0o666);
  return { allocation, source };
}

async function run(
  allocation: Allocation,
  what: Command,
  mounts: Mount[],
  env: Readonly<Record<string, string>> = {},
) {
  const config = allocation.config(what, { mounts, env });
  const { exitCode } = await runTask(agent, config);
  const [out, err] = await Promise.all([allocation.stdout.text(), allocation.stderr.text()]);
  return { exitCode, out, err };
}

function refused(allocation: Allocation, mounts: Mount[], { code, text }: { code: string; text: RegExp }) {
  const recoverable = code === "MOUNT_SOURCE_MISSING";
  return expectRefusal(agent, allocation.config("true", { mounts }), { code, text, recoverable });
}

/** Makes a mount that lasts until the test has finished. */
function mountHere(what: readonly string[], where: string): void {
  command("mount", [...what, where]);
  onTestFinished(() => command("umount", ["--lazy", where]));
}

function command(name: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(name, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name} ${args.join(" ")} failed: ${stderr}`);
}
