import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type Agent, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { type AllocationOptions, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({
    options: {
      unveil_by_task: true,
      allow_root: true,
      allow_host_root: true,
      allow_caps: ["all"],
      unveil_paths: ["r:/etc/debian_version"],
      // The host's audit may be on. A line about a denial would be in the task's output.
      denials: "off",
    },
  });
});

describe("/tmp", () => {
  test("is the task's own: files that the task makes there are in its folder, and not on the host", async () => {
    const { allocation, result } = await run("echo mine > /tmp/made-by-task && cat $TMPDIR/made-by-task");
    expect(result).toEqual({ exitCode: 0, out: "mine\n", err: "" });
    expect(readFileSync(`${allocation.taskFolder}/tmp/made-by-task`, "utf8")).toBe("mine\n");
    expect(existsSync("/tmp/made-by-task")).toBe(false);
  });

  test("shows nothing of the host's", async () => {
    const folder = temporaryFolder("/tmp");
    const { result } = await run(`ls -A /tmp; test -e ${folder}`);
    expect(result).toEqual({ exitCode: 1, out: "", err: "" });
  });

  test("is the host's /tmp if the job unveils a path in it", async () => {
    const folder = temporaryFolder("/tmp");
    chmodSync(folder, 0o755);
    writeFileSync(`${folder}/shared`, "the host's\n");
    const { result } = await run({
      command: "cat",
      args: [`${folder}/shared`],
      unveil: [`r:${folder}/shared`],
    });
    expect(result).toEqual({ exitCode: 0, out: "the host's\n", err: "" });
  });
});

describe("/tmp with private_tmp = false", () => {
  test("has what is unveiled of the host's /tmp, and else nothing is there", async () => {
    const shared = await startAgent({ options: { private_tmp: false, unveil_by_task: true } });
    const folder = temporaryFolder("/tmp");
    chmodSync(folder, 0o777);
    writeFileSync(`${folder}/file`, "the host's");
    for (const [unveil, exitCode] of [
      [[`r:${folder}`], 0],
      [[], 1],
    ] as const) {
      const command = { command: "cat", args: [`${folder}/file`], unveil };
      expect(await runTask(shared, makeAllocation().config(command))).toMatchObject({ exitCode });
    }
    const none = { command: "ls", args: ["/tmp"] };
    expect(await runTask(shared, makeAllocation().config(none))).toMatchObject({ exitCode: 2 });
  });
});

describe("a task's own folders", () => {
  test.each(["private", "host"])(
    "can be listed in a %s root, and the folders around them cannot",
    async (root) => {
      const allocation = makeAllocation();
      // A folder that is not the task's.
      mkdirSync(`${allocation.taskFolder}/private`, { mode: 0o755 });
      writeFileSync(`${allocation.taskFolder}/private/token`, "closed\n", { mode: 0o644 });
      const script = "ls; cat private/token; ls .. ; ls ../..; ls /";
      const { result } = await run({ command: "sh", args: ["-c", script], root }, {}, allocation);
      const refused = (what: string) => `ls: cannot open directory '${what}': Permission denied\n`;
      expect(result).toMatchObject({
        out: "local\nprivate\nsecrets\ntmp\n",
        err: `cat: private/token: Permission denied\n${["..", "../..", "/"].map(refused).join("")}`,
      });
    },
  );

  test("can be read, written, and run from; secrets cannot be run", async () => {
    const { result } = await run(`
      set -e
      for folder in "$NOMAD_TASK_DIR" "$NOMAD_ALLOC_DIR" "$NOMAD_ALLOC_DIR/data" "$TMPDIR"; do
        cp /bin/echo "$folder/program"; "$folder/program" ran; rm "$folder/program"
      done
      cp /bin/echo "$NOMAD_SECRETS_DIR/program"; "$NOMAD_SECRETS_DIR/program" ran`);
    expect(result).toMatchObject({ exitCode: 126, out: "ran\n".repeat(4) });
    expect(result.err).toContain("Permission denied");
  });

  test("allow links and renames between them", async () => {
    const { result } = await run(`
      set -e
      echo content > "$NOMAD_TASK_DIR/a"; ln "$NOMAD_TASK_DIR/a" "$NOMAD_TASK_DIR/b"
      mkdir "$NOMAD_TASK_DIR/folder"; mv "$NOMAD_TASK_DIR/b" "$NOMAD_TASK_DIR/folder/c"
      ln -s a "$NOMAD_TASK_DIR/link"; mkfifo "$NOMAD_TASK_DIR/pipe"; cat "$NOMAD_TASK_DIR/folder/c"`);
    expect(result).toEqual({ exitCode: 0, out: "content\n", err: "" });
  });

  test("belong to the user, and so do new files in them", async () => {
    const { allocation } = await run("touch $NOMAD_TASK_DIR/made");
    const { uid, gid, mode } = statSync(`${allocation.taskFolder}/local/made`);
    expect({ uid, gid, mode }).toEqual({
      uid: allocation.user.uid,
      gid: allocation.user.uid,
      mode: 0o100644,
    });
  });
});

const root = { name: "root", uid: 0, gid: 0 };

describe.each<[string, AllocationOptions]>([
  ["a user of its own", {}],
  ["root, whom no file's mode stops", { user: root }],
])("the rest of the host, for %s,", (_who, options) => {
  test.each([
    "cat /etc/passwd",
    "ls /",
    "ls /etc",
    "ls /home",
    "ls /var/lib",
    "ls /sys/fs/cgroup",
    "cat /proc/version",
    "ls /proc",
    "cat /proc/self/environ",
    "touch /usr/bin/made",
    "touch /etc/made",
    "touch /var/tmp/made",
    "echo x > /etc/hosts",
  ])("is closed: %s", async (script) => {
    const command = { command: "sh", args: ["-c", `${script} > /dev/null`] };
    const own = await run(command, options);
    expect(own.result).toMatchObject({ exitCode: expect.toSatisfy((code) => code > 0), out: "" });
    expect(own.result.err).toMatch(/Permission denied|No such file or directory|Read-only file system/);
    // In the host's tree only Landlock refuses the access.
    const hosts = await run({ ...command, root: "host" }, options);
    expect(hosts.result).toMatchObject({ exitCode: expect.toSatisfy((code) => code > 0), out: "" });
    expect(hosts.result.err).toContain("Permission denied");
  });

  test("another allocation's folders are closed", async () => {
    const other = makeAllocation();
    writeFileSync(`${other.folder}/alloc/data/file`, "theirs");
    const { result } = await run(
      `cat ${other.folder}/alloc/data/file; ls ${other.taskFolder}/local`,
      options,
    );
    expect(result).toMatchObject({ exitCode: 2, out: "" });
  });

  test("is open where the plugin or the job unveils it", async () => {
    const script = "cat /etc/debian_version /etc/os-release > /dev/null && echo read; cat /etc/fstab";
    const command = { command: "sh", args: ["-c", script], unveil: ["r:/etc/os-release"] };
    const { result } = await run(command, options);
    expect(result).toMatchObject({ exitCode: 1, out: "read\n" });
  });
});

describe("devices and logs", () => {
  test("echo to /dev/stdout and /dev/stderr works", async () => {
    const { result } = await run("echo out > /dev/stdout; echo err > /dev/stderr; echo more >> /dev/stdout");
    expect(result).toEqual({ exitCode: 0, out: "out\nmore\n", err: "err\n" });
  });

  test("the usual devices work", async () => {
    const { result } = await run(`
      echo x > /dev/null; read -r line < /dev/null
      head -c 4 /dev/zero | wc -c; head -c 8 /dev/urandom | wc -c; head -c 4 /dev/zero > /dev/full`);
    expect(result).toMatchObject({ out: "4\n8\n", exitCode: expect.toSatisfy((code) => code > 0) });
    expect(result.err).toContain("No space left on device");
  });

  test("standard input is at its end", async () => {
    expect((await run("cat; echo done")).result).toEqual({ exitCode: 0, out: "done\n", err: "" });
  });

  test("the task may keep log files of its own beside the pipes, if the client allows it", async () => {
    const script = "cd $NOMAD_ALLOC_DIR/logs && echo own > app.log && cat app.log";
    expect((await run(script)).result).toMatchObject({ out: "", err: expect.stringContaining("Read-only") });
    const open = await startAgent({ options: { writable_logs: true } });
    const allocation = makeAllocation();
    expect(await runTask(open, allocation.config(script))).toMatchObject({ exitCode: 0 });
    expect(await allocation.stdout.text()).toBe("own\n");
  });
});

describe("with unveil_defaults = false", () => {
  test("a task has the paths that its job unveils, and no others", async () => {
    const bare = await startAgent({ options: { unveil_defaults: false, unveil_by_task: true } });
    const system = ["rx:/bin", "rx:/usr/bin", "rx:/lib", "rx:/lib64", "rx:/usr/lib", "r:/etc/ld.so.cache"];
    const allocation = makeAllocation();
    const args = ["-c", "cat /etc/hosts; touch $NOMAD_TASK_DIR/made; echo end; exit 6"];
    const config = allocation.config({ command: "sh", args, unveil: system });
    expect(await runTask(bare, config)).toMatchObject({ exitCode: 6 });
    expect(await allocation.stdout.text()).toBe("end\n");
    expect(await allocation.stderr.text()).toMatch(/hosts: No such file.*\n.*made': Permission denied/);
  });
});

async function run(command: Command, options: AllocationOptions = {}, allocation = makeAllocation(options)) {
  const config = allocation.config(command);
  await startTask(agent, config);
  const { exitCode } = await waitTask(agent, config);
  const [out, err] = await Promise.all([allocation.stdout.text(), allocation.stderr.text()]);
  return { allocation, result: { exitCode, out, err } };
}
