import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import type { TaskConfig } from "../../../src/grpc/generated/nomad/driver.ts";
import { runTask, startTask, waitTask } from "../../support/agent/agent.ts";
import { Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { leaveProject } from "../../support/attacks/projects.ts";
import { type DiskKind, mountQuotaDisk, type QuotaDisk } from "../../support/host/quotaDisk.ts";
import { until } from "../../support/host/until.ts";
import { diskImage, diskStateDir, rememberTask } from "../support/beforeReboot.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { eventData, startVmAgent, type VmAgent } from "../support/vmAgent.ts";

const MiB = 2 ** 20;
const limit = 4;

const disks = new Map<DiskKind, QuotaDisk>();
function diskOf(kind: DiskKind): QuotaDisk {
  const name = kind.replaceAll(" ", "-");
  const disk = disks.get(kind) ?? mountQuotaDisk(kind, `/run/${name}.img`, `/run/disk-${name}`);
  disks.set(kind, disk);
  return disk;
}

let agent: Promise<VmAgent> | undefined;
const sharedAgent = () => {
  agent ??= startVmAgent({ allow_seccomp: ["all"], allow_raised_ulimits: true });
  return agent;
};

/** An allocation on the disk. */
function on(kind: DiskKind) {
  const { path } = diskOf(kind);
  const allocation = makeAllocation({ slice: shareSlice, dataDir: path });
  const config = (script: string | readonly string[], options: object = {}) => {
    const [command, ...args] = typeof script === "string" ? ["sh", "-c", script] : script;
    const resources = resourcesOf(allocation, {});
    return allocation.config({ command, args, disk_limit: limit, ...options }, { resources });
  };
  return { allocation, config };
}

async function run(plugin: VmAgent, allocation: Allocation, config: TaskConfig) {
  const { exitCode } = await runTask(plugin, config);
  const [out, err] = [await allocation.stdout.text(), await allocation.stderr.text()];
  return { exitCode, out, err, disk: (await eventData(plugin, config.id, "sandboxed")).disk };
}

for (const kind of ["ext4", "xfs"] as const) {
  describe(`disk limits on ${kind}`, () => {
    test("hold for what a task writes in each of its ways, and for what was there before", async () => {
      const { allocation, config } = on(kind);
      const disk = diskOf(kind);
      const script = `
import os, time
def patient(open_it, tries=100):
    # xfs gives the blocks of removed files back some time later, and makes no file while the limit is full.
    for left in reversed(range(tries)):
        try: return open_it()
        except OSError:
            if left == 0: raise
            time.sleep(0.1)
def fill(name, open_it, tries=100):
    written = 0
    try:
        fd = patient(open_it, tries)
        try:
            while written < 16 << 20: written += os.write(fd, bytes(65536))
        finally: os.close(fd)
        print(name, "went on")
    except OSError as error:
        print(name, "stopped")
local, tmp = os.environ["NOMAD_TASK_DIR"], os.environ["TMPDIR"]
W = os.O_RDWR | os.O_CREAT
fill("a file", lambda: os.open(f"{local}/a", W))
fill("the folder tmp", lambda: os.open(f"{tmp}/b", W), 1)
for path in (f"{local}/a", f"{tmp}/b"):
    if os.path.exists(path): os.remove(path)
fd = patient(lambda: os.open(f"{local}/c", W))
os.remove(f"{local}/c")
fill("a deleted file", lambda: fd)
fill("a file without a name", lambda: os.open(local, os.O_TMPFILE | os.O_RDWR))
fd = patient(lambda: os.open(f"{local}/sparse", W))
os.ftruncate(fd, 1 << 30)
os.lseek(fd, 1 << 29, 0)
fill("a sparse file", lambda: fd)
os.remove(f"{local}/sparse")
pids = []
for n in range(6):
    pid = os.fork()
    if pid == 0:
        try:
            with patient(lambda: open(f"{local}/fork{n}", "wb")) as file:
                for _ in range(64): file.write(bytes(65536)); file.flush()
        except OSError: pass
        os._exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)
os.mkdir(f"{local}/deep")
try:
    os.rename(f"{local}/fork0", f"{tmp}/moved")
    print("between its folders: moved")
except OSError as error: print("between its folders:", error.errno)
`;
      const { out, disk: recorded } = await run(
        await sharedAgent(),
        allocation,
        config(["python3", "-c", script]),
      );
      assert.ok(recorded);
      assert.match(
        out,
        /^a file stopped\nthe folder tmp stopped\na deleted file stopped\na file without a name stopped\na sparse file stopped\n/,
      );
      const { bytes } = disk.usage(recorded.project);
      assert.ok(bytes > limit * MiB * 0.9 && bytes <= limit * MiB, `${bytes} B`);
    });

    test("hold for the allocation's shared folder, and not for its log files", async () => {
      const { allocation, config } = on(kind);
      const script = "cd $NOMAD_ALLOC_DIR/data; head -c 16M /dev/zero > a; wc -c < a; stat -c %s ../logs";
      const { out, err, disk: recorded } = await run(await sharedAgent(), allocation, config(script));
      assert.match(err, /No space left|quota/);
      const [written = ""] = out.split("\n");
      assert.ok(Number(written) <= limit * MiB && Number(written) > limit * MiB * 0.9, written);
      assert.ok(recorded && diskOf(kind).usage(recorded.sharedProject).bytes > limit * MiB * 0.9);
    });

    test("are what a failed task is told to have met", async () => {
      const { allocation, config } = on(kind);
      const full = config("head -c 16M /dev/zero > $NOMAD_TASK_DIR/a");
      const plugin = await sharedAgent();
      await startTask(plugin, full);
      const { err } = await plugin.driver.waitTask({ taskId: full.id });
      assert.match(err, /its disk limit of 4 MiB was full; raise disk_limit/);
      await plugin.driver.destroyTask({ taskId: full.id, force: true });
      assert.ok(allocation.id);
    });

    test("cannot be left by a task's files, with any profile, or by its commands", async () => {
      const plugin = await sharedAgent();
      for (const seccomp of ["default", "unconfined"]) {
        const { allocation, config } = on(kind);
        const { out } = await run(
          plugin,
          allocation,
          config(["python3", "-c", leaveProject(4711)], { seccomp }),
        );
        const lines = out.trimEnd().split("\n");
        assert.equal(lines.length, 8);
        for (const line of lines) assert.match(line, / EPERM$/);
      }
      const { config } = on(kind);
      const task = config("sleep 1000");
      await startTask(plugin, task);
      onTestFinished(() => plugin.driver.destroyTask({ taskId: task.id, force: true }));
      const { stdout } = await execScript(plugin, task.id, `python3 -c '${leaveProject(4711)}'`);
      assert.equal(stdout.toString().match(/ EPERM$/gm)?.length, 8);
    });

    test("are left by the same attempts without the option", async () => {
      const { allocation, config } = on(kind);
      const free = config(["python3", "-c", leaveProject(4711)], { disk_limit: undefined });
      const { out } = await run(await sharedAgent(), allocation, free);
      assert.match(out, /own file to a neighbour worked/);
      assert.match(out, /own folder to project 0 worked/);
    });

    test("count files that were there before, without following links out of the folder", async () => {
      const { allocation, config } = on(kind);
      const other = on(kind).allocation;
      const { execFileSync } = await import("node:child_process");
      const local = `${allocation.taskFolder}/local`;
      execFileSync("sh", [
        "-c",
        `mkdir -p ${local}/a/b && head -c 3M /dev/zero > ${local}/a/b/c && head -c 1M /dev/zero > ${other.taskFolder}/local/x && ln -s ${other.taskFolder}/local ${local}/link && mkfifo ${local}/fifo`,
      ]);
      const { out, disk } = await run(
        await sharedAgent(),
        allocation,
        config("head -c 16M /dev/zero > $NOMAD_TASK_DIR/more; wc -c < $NOMAD_TASK_DIR/more"),
      );
      assert.ok(Number(out) <= MiB, out);
      const used = disk && diskOf(kind).usage(disk.project).bytes;
      assert.ok(used !== undefined && used > 3 * MiB && used <= limit * MiB, `${used}`);
    });

    test("outlive the plugin, and are given back at the end of each task", async () => {
      const { allocation, config } = on(kind);
      const first = await startVmAgent({});
      const task = config("sleep 1000");
      const handle = await startTask(first, task);
      const { disk } = await eventData(first, task.id, "sandboxed");
      assert.ok(disk);
      await first.crash();
      const next = await startVmAgent({}, first.stateDir);
      await next.driver.recoverTask({ taskId: "", handle });
      assert.equal(diskOf(kind).usage(disk.project).limitBytes, limit * MiB);
      const fill = "head -c 16M /dev/zero > $NOMAD_TASK_DIR/a";
      const { stderr } = await execScript(next, task.id, fill);
      assert.match(stderr.toString(), /No space left|quota/);
      await next.driver.stopTask({ taskId: task.id, signal: "SIGKILL", timeout: { seconds: 1, nanos: 0 } });
      await next.driver.destroyTask({ taskId: task.id, force: true });
      await until(() => diskOf(kind).usage(disk.project).limitBytes === 0, "the limit is given back");
      // A further run has the same project, and what the first one wrote counts.
      const again = config("sleep 1000");
      await startTask(next, again);
      const second = await eventData(next, again.id, "sandboxed");
      assert.equal(second.disk?.project, disk.project);
      assert.ok(allocation.id);
      // What a plugin leaves that is killed together with its task, the next one gives back.
      await next.crash();
      const { init } = second;
      process.kill(init.pid, "SIGKILL");
      const last = await startVmAgent({}, first.stateDir);
      await until(() => diskOf(kind).usage(disk.project).limitBytes === 0, "the limit is swept");
      await last.disconnect();
    });

    test("leave no project and no mount, after 100 tasks", async () => {
      const disk = diskOf(kind);
      const plugin = await sharedAgent();
      const before = readFileSync("/proc/self/mountinfo", "utf8");
      for (let round = 0; round < 10; round += 1) {
        const allocations = Array.from(
          { length: 10 },
          () => new Allocation({ slice: shareSlice, dataDir: disk.path }),
        );
        await Promise.all(
          allocations.map(async (allocation) => {
            const command = { command: "sh", args: ["-c", "echo x > local/file"], disk_limit: limit };
            const task = allocation.config(command, { resources: resourcesOf(allocation, {}) });
            await startTask(plugin, task);
            await waitTask(plugin, task);
            await plugin.driver.destroyTask({ taskId: task.id, force: true });
          }),
        );
        for (const allocation of allocations) await allocation.remove();
      }
      await until(() => disk.projects().every(({ id }) => id < 2 ** 30), "no project is left");
      assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before);
      assert.deepEqual(readdirSync(`${disk.path}/alloc`), []);
    });
  });
}

describe("disk limits", () => {
  for (const kind of ["ext4 without quotas", "ext4 that only counts"] as const) {
    test(`on ${kind} are refused with a remedy, or the task runs without its limit`, async () => {
      const plugin = await sharedAgent();
      const { config } = on(kind);
      await assert.rejects(startTask(plugin, config("true")), /disk_limit needs project quotas.*prjquota/s);
      const lenient = await startVmAgent({ disk_limit_missing: "warn" });
      const { allocation, config: again } = on(kind);
      const { exitCode, disk } = await run(lenient, allocation, again("true"));
      assert.deepEqual({ exitCode, disk }, { exitCode: 0, disk: undefined });
      await until(
        () => lenient.messages.some(({ message }) => /Runs without disk_limit/.test(message)),
        "a task event tells of it",
      );
    });
  }
});

describe("disk limits over a reboot", () => {
  test("before: a task with a limit runs when the machine is switched off", async () => {
    const disk = mountQuotaDisk("ext4", diskImage, "/run/disk-reboot");
    const plugin = await startVmAgent({}, diskStateDir);
    const allocation = new Allocation({ slice: shareSlice, dataDir: disk.path });
    const script = "head -c 16M /dev/zero > $NOMAD_TASK_DIR/a; echo full; exec sleep 1000";
    const task = allocation.config(
      { command: "sh", args: ["-c", script], disk_limit: limit },
      { resources: resourcesOf(allocation, {}) },
    );
    const handle = await startTask(plugin, task);
    await allocation.stdout.contains("full\n");
    rememberTask("limited", { handle, pids: [] });
    (await import("node:child_process")).execFileSync("sync");
  });
});
