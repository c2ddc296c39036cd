import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { toTaskId } from "../../../src/base/taskId.ts";
import { type DiskLimit, DiskLimits, type LimitedTask } from "../../../src/effects/disk/diskLimits.ts";
import type { TaskConfig } from "../../../src/grpc/generated/nomad/driver.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { readUsage } from "../../../src/store/usage/usageFile.ts";
import { runTask, startTask, waitTask } from "../../support/agent/agent.ts";
import { Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { leaveProject } from "../../support/attacks/projects.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { type DiskKind, mountQuotaDisk, type QuotaDisk } from "../../support/host/quotaDisk.ts";
import { until } from "../../support/host/until.ts";
import { rounds } from "../../support/rounds.ts";
import { diskImage, diskStateDir, rememberTask } from "../support/beforeReboot.ts";
import { shareSlice } from "../support/prepareGuest.ts";
import { describe, onTestFinished, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { eventData, startVmAgent, type VmAgent } from "../support/vmAgent.ts";

const MiB = 2 ** 20;
const limit = 4;

/** Tasks that run one after another on each file system, a few at once. */
const lives = rounds(60, 1_000);
const atOnce = 10;

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
    }, 180_000);

    test("hold for hard links, and for what is renamed or linked between folders", async () => {
      const { allocation, config } = on(kind);
      const script = `
import errno, os
local, tmp, shared = os.environ["NOMAD_TASK_DIR"], os.environ["TMPDIR"], os.environ["NOMAD_ALLOC_DIR"] + "/data"
os.makedirs(f"{local}/deep/er")
os.makedirs(f"{tmp}/other")
def write(path, mebibytes):
    with open(path, "wb") as file: file.write(bytes(mebibytes << 20)); file.flush(); os.fsync(file.fileno())
def attempt(name, what):
    try: what(); print(name, "worked")
    except OSError as error: print(name, errno.errorcode[error.errno].replace("EDQUOT", "full").replace("ENOSPC", "full"))
write(f"{local}/a", 3)
for n in range(20): os.link(f"{local}/a", f"{local}/deep/link{n}")
os.remove(f"{local}/a")
attempt("two more while one name is left", lambda: write(f"{local}/c", 2))
os.path.exists(f"{local}/c") and os.remove(f"{local}/c")
attempt("a rename between its folders", lambda: os.rename(f"{local}/deep/link0", f"{tmp}/other/moved"))
attempt("a folder's rename between its folders", lambda: os.rename(f"{local}/deep", f"{tmp}/other/deep"))
attempt("two more after the rename", lambda: write(f"{local}/c", 2))
os.path.exists(f"{local}/c") and os.remove(f"{local}/c")
attempt("a rename into the shared folder", lambda: os.rename(f"{tmp}/other/moved", f"{shared}/moved"))
attempt("a link in the shared folder", lambda: os.link(f"{tmp}/other/moved", f"{shared}/link"))
write(f"{shared}/d", 3)
attempt("a rename out of the shared folder", lambda: os.rename(f"{shared}/d", f"{local}/d"))
attempt("a link out of the shared folder", lambda: os.link(f"{shared}/d", f"{local}/d"))
attempt("an exchange with the shared folder", lambda: os.replace(f"{shared}/d", f"{tmp}/other/moved"))
`;
      const task = config(["python3", "-c", script]);
      const { out, err, disk: recorded } = await run(await sharedAgent(), allocation, task);
      assert.equal(err, "");
      assert.deepEqual(out.trimEnd().split("\n"), [
        "two more while one name is left full",
        "a rename between its folders worked",
        "a folder's rename between its folders worked",
        "two more after the rename full",
        "a rename into the shared folder EXDEV",
        "a link in the shared folder EXDEV",
        "a rename out of the shared folder EXDEV",
        "a link out of the shared folder EXDEV",
        "an exchange with the shared folder EXDEV",
      ]);
      assert.ok(recorded);
      const { bytes } = diskOf(kind).usage(recorded.project);
      assert.ok(bytes > 3 * MiB && bytes <= limit * MiB, `${bytes} B`);
    }, 180_000);

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

    test("are told once when 90 % and when all of them are used, also over a plugin's restart", async () => {
      const { allocation, config } = on(kind);
      const task = config("sleep 1000");
      const first = await startVmAgent({});
      const handle = await startTask(first, task);
      const fill = (plugin: VmAgent, folder: string, kibibytes: number) => {
        // At once: while a file is written, samples see less of it, or more, which xfs allocates ahead.
        const write = kibibytes < 4_096 ? `fallocate -l ${kibibytes}K` : `head -c ${kibibytes}K /dev/zero >`;
        return execScript(plugin, task.id, `rm -f ${folder}/a; ${write} ${folder}/a; sync`);
      };
      const samples = () => readUsage(join(first.stateDir, "events"), toTaskId(task.id));
      const used = () => (samples().at(-1)?.ownDiskBytes ?? 0) / MiB;
      const isTold = (plugin: VmAgent, text: string) =>
        until(() => plugin.messages.some(({ message }) => message.startsWith(text)), text);
      await until(() => samples().length > 0, "the task is sampled");
      assert.notEqual(samples().at(-1)?.ownDiskBytes, undefined);
      // Empty folders of ext4 take a block each, those of xfs none.
      assert.ok(used() < 0.1, `${used()} MiB`);
      await fill(first, "$NOMAD_TASK_DIR", 3800);
      await isTold(first, "Disk limit nearly full: 3.7 MiB of 4 MiB in its folders local and tmp");
      await fill(first, "$NOMAD_TASK_DIR", 100);
      await until(() => used() < 1, "it has less");
      await fill(first, "$NOMAD_TASK_DIR", 3800);
      await until(() => used() > 3.6, "it has nearly as much as before");
      await fill(first, "$NOMAD_TASK_DIR", 9000);
      await isTold(first, "Disk limit full: ");
      await first.crash();
      const next = await startVmAgent({}, first.stateDir);
      await next.driver.recoverTask({ taskId: "", handle });
      // As a client does. The plugin's messages wait for this call.
      const waited = next.driver.waitTask({ taskId: task.id });
      await fill(next, "$NOMAD_TASK_DIR", 100);
      await until(() => used() < 1, "the next plugin sees that it has less");
      await fill(next, "$NOMAD_TASK_DIR", 9000);
      await until(() => used() > 3.9, "the next plugin sees that it is full");
      await fill(next, "$NOMAD_ALLOC_DIR/data", 9000);
      await isTold(next, "Disk limit full: ");
      const events = (await eventsOf(first.stateDir, task.id)).flatMap(({ type, data }) => {
        if (type !== "diskFilled") return [];
        const { percent, limit: bytes, folders } = data as EventData<"diskFilled">;
        return [`${percent} % of ${bytes / MiB} MiB, ${folders}`];
      });
      // While the shared folder gets full, a sample may be taken.
      const told = events.filter((text) => text !== "90 % of 4 MiB, shared");
      assert.deepEqual(told, ["90 % of 4 MiB, own", "100 % of 4 MiB, own", "100 % of 4 MiB, shared"]);
      // What the first plugin has told is not told again.
      for (const { message } of next.messages) assert.match(message, / in the allocation's shared folder/);
      assert.equal(first.messages.length, 2);
      await next.driver.destroyTask({ taskId: task.id, force: true });
      await waited;
      assert.ok(allocation.id);
    }, 240_000);

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
    }, 240_000);

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

    test("outlive the plugin and their run, and are given back once the folders are removed", async () => {
      const { allocation, config } = on(kind);
      const first = await startVmAgent({});
      const task = config("sleep 1000");
      const handle = await startTask(first, task);
      const { disk } = await eventData(first, task.id, "sandboxed");
      assert.ok(disk);
      const limitNow = () => diskOf(kind).usage(disk.project).limitBytes;
      await first.crash();
      const next = await startVmAgent({}, first.stateDir);
      await next.driver.recoverTask({ taskId: "", handle });
      assert.equal(limitNow(), limit * MiB);
      const fill = "head -c 16M /dev/zero > $NOMAD_TASK_DIR/a";
      const { stderr } = await execScript(next, task.id, fill);
      assert.match(stderr.toString(), /No space left|quota/);
      await next.driver.stopTask({ taskId: task.id, signal: "SIGKILL", timeout: { seconds: 1, nanos: 0 } });
      await next.driver.destroyTask({ taskId: task.id, force: true });
      assert.equal(limitNow(), limit * MiB);
      // A further run has the same project, and what the first one wrote counts.
      const again = config("sleep 1000");
      await startTask(next, again);
      const second = await eventData(next, again.id, "sandboxed");
      assert.equal(second.disk?.project, disk.project);
      // Nor does a plugin lift a limit that is killed together with its task, nor the plugin after it.
      await next.crash();
      const { init } = second;
      process.kill(init.pid, "SIGKILL");
      const last = await startVmAgent({}, first.stateDir);
      assert.equal(limitNow(), limit * MiB);
      await last.crash();
      for (const name of readdirSync(allocation.folder))
        rmSync(`${allocation.folder}/${name}`, { recursive: true });
      await until(() => diskOf(kind).usage(disk.project).files === 0, "nothing belongs to the project");
      const sweeping = await startVmAgent({}, first.stateDir);
      assert.equal(limitNow(), 0);
      await sweeping.disconnect();
    }, 480_000);

    test("hold for what a neighbour writes to a file that an ended task has handed to it", async () => {
      const { allocation, config } = on(kind);
      const neighbour = new Allocation({
        ...{ id: allocation.id, taskName: "neighbour", slice: shareSlice, dataDir: diskOf(kind).path },
      });
      // Its folders are the allocation's.
      onTestFinished(async () => {
        await neighbour.cgroup.remove();
        for (const pipe of [neighbour.stdout, neighbour.stderr]) await pipe.close();
      });
      const survivor = `
import os, socket
listening = socket.socket(socket.AF_UNIX)
listening.bind(os.environ["NOMAD_ALLOC_DIR"] + "/data/socket")
os.chmod(os.environ["NOMAD_ALLOC_DIR"] + "/data/socket", 0o777)
listening.listen()
print("listens", flush=True)
_, (theirs,), _, _ = socket.recv_fds(listening.accept()[0], 1, 1)
own = os.open(os.environ["NOMAD_TASK_DIR"] + "/own", os.O_RDWR | os.O_CREAT)
def fill(fd, most):
    try:
        while os.fstat(fd).st_size < most << 20: os.write(fd, bytes(65536))
        return "went on"
    except OSError: return "stopped"
gate = open(os.environ["NOMAD_TASK_DIR"] + "/gate")
for turn in range(1, 10):
    gate.readline()
    print(f"turn {turn}: theirs {fill(theirs, 32)}, own {fill(own, 2)}", flush=True)
`;
      const maker = `
import os, socket
there = socket.socket(socket.AF_UNIX)
there.connect(os.environ["NOMAD_ALLOC_DIR"] + "/data/socket")
socket.send_fds(there, [b"x"], [os.open(os.environ["NOMAD_TASK_DIR"] + "/a", os.O_RDWR | os.O_CREAT | os.O_APPEND)])
`;
      const python = (script: string) => ({ command: "python3", args: ["-c", script], disk_limit: limit });
      const size = () => statSync(`${allocation.taskFolder}/local/a`).size / MiB;
      const first = await startVmAgent({});
      const pass = neighbour.gate();
      const surviving = neighbour.config(python(survivor), { resources: resourcesOf(neighbour, {}) });
      const handle = await startTask(first, surviving);
      await neighbour.stdout.contains("listens\n");
      const making = config(["python3", "-c", maker]);
      assert.equal((await runTask(first, making)).exitCode, 0);
      await first.driver.destroyTask({ taskId: making.id, force: true });
      pass();
      await neighbour.stdout.contains("turn 1: theirs stopped, own went on\n");
      assert.ok(size() > limit * 0.9 && size() <= limit, `${size()} MiB`);
      // What the host's root takes away, the neighbour may write once more, also after the plugin was killed.
      truncateSync(`${allocation.taskFolder}/local/a`, 0);
      await first.crash();
      const next = await startVmAgent({}, first.stateDir);
      await next.driver.recoverTask({ taskId: "", handle });
      pass();
      await neighbour.stdout.contains("turn 2: theirs stopped, own went on\n");
      assert.ok(size() > 0 && size() <= limit, `${size()} MiB`);
      // The next run says for itself what it may.
      const write =
        "head -c 20M /dev/zero > $NOMAD_TASK_DIR/b; head -c 20M /dev/zero > $NOMAD_ALLOC_DIR/data/b";
      const written = (folder: string) => statSync(`${folder}/b`).size / MiB;
      const [own, shared] = [`${allocation.taskFolder}/local`, `${allocation.folder}/alloc/data`];
      await runTask(next, config(write, { disk_limit: 2 * limit }));
      assert.ok(written(own) > 3 && written(own) <= 2 * limit, `${written(own)} MiB`);
      assert.ok(written(shared) > 7 && written(shared) <= 2 * limit, `${written(shared)} MiB`);
      await next.driver.destroyTask({ taskId: surviving.id, force: true });
      await runTask(next, config(write, { disk_limit: undefined }));
      assert.deepEqual([written(own), written(shared)], [20, 20]);
    }, 240_000);

    test("of a thousand tasks are claimed and given back, also by the next plugin, and leave no project", async () => {
      const disk = diskOf(kind);
      const range = { first: 2 ** 30 + 2 ** 29, count: 2_000 };
      const limits = new DiskLimits(range);
      const folder = `${disk.path}/thousand`;
      const make = (taskId: string): LimitedTask => {
        const allocDir = `${folder}/${taskId.slice(0, taskId.indexOf("/"))}`;
        for (const name of ["main/local", "main/tmp", "alloc/data", "alloc/logs"])
          mkdirSync(`${allocDir}/${name}`, { recursive: true });
        return { taskId, taskName: "main", allocDir };
      };
      const tasks = Array.from({ length: 1_000 }, (_, number) => make(`${number}/main/1`));
      const inRange = () =>
        disk.projects().filter(({ id }) => id >= range.first && id < range.first + range.count);
      const limited = () => inRange().filter(({ limitBytes }) => limitBytes === limit * MiB).length;
      const claimed = new Map<string, DiskLimit>();
      for (let first = 0; first < tasks.length; first += 8) {
        const some = tasks.slice(first, first + 8);
        const found = await Promise.all(some.map((task) => limits.claim(task, limit * MiB)));
        for (const [index, { taskId }] of some.entries()) claimed.set(taskId, found[index] as DiskLimit);
      }
      const ids = [...claimed.values()].flatMap(({ project, sharedProject }) => [project, sharedProject]);
      assert.equal(new Set(ids).size, 2_000);
      assert.equal(limited(), 2_000);
      const more = make("more/main/1");
      await assert.rejects(limits.claim(more, limit * MiB), { code: "DISK_LIMIT_UNAVAILABLE" });
      const [given, living, left] = [tasks.slice(0, 400), tasks.slice(400, 700), tasks.slice(700)];
      const limitOf = ({ taskId }: LimitedTask) => claimed.get(taskId) as DiskLimit;
      for (const task of given) limits.release(task, limitOf(task));
      // Their files are still there.
      assert.equal(limited(), 2_000);
      for (const { allocDir } of given) rmSync(allocDir, { recursive: true });
      await until(() => inRange().filter(({ files }) => files === 0).length === 800, "800 are empty");
      const again = await limits.claim(more, limit * MiB);
      assert.ok(given.some((task) => limitOf(task).project === again.project));
      limits.release(more, again);
      // The plugin dies. The tasks of `left` end before the next one is there.
      const next = new DiskLimits(range);
      for (const task of living) next.hold(task.taskId, limitOf(task));
      next.sweep(folder);
      assert.equal(limited(), 1_202);
      for (const { allocDir } of left) rmSync(allocDir, { recursive: true });
      await until(() => inRange().filter(({ files }) => files === 0).length === 600, "600 are empty");
      // It sweeps by itself now and then.
      for (const task of living) next.release(task, limitOf(task));
      assert.equal(limited(), 602);
      rmSync(folder, { recursive: true });
      await until(() => {
        next.sweep(folder);
        return inRange().length === 0;
      }, "no project is left");
    }, 180_000);

    test(
      "leave no project and no mount, after many tasks",
      async () => {
        const disk = diskOf(kind);
        const plugin = await startVmAgent({});
        const claims = new Set<number>();
        const before = readFileSync("/proc/self/mountinfo", "utf8");
        for (let left = lives; left > 0; left -= atOnce) {
          const allocations = Array.from(
            { length: Math.min(left, atOnce) },
            () => new Allocation({ slice: shareSlice, dataDir: disk.path }),
          );
          await Promise.all(
            allocations.map(async (allocation) => {
              const command = { command: "sh", args: ["-c", "echo x > local/file"], disk_limit: limit };
              const task = allocation.config(command, { resources: resourcesOf(allocation, {}) });
              await startTask(plugin, task);
              assert.equal((await waitTask(plugin, task)).exitCode, 0);
              const { disk: claimed } = await eventData(plugin, task.id, "sandboxed");
              assert.ok(claimed && claimed.project !== claimed.sharedProject);
              claims.add(claimed.project).add(claimed.sharedProject);
              await plugin.driver.destroyTask({ taskId: task.id, force: true });
            }),
          );
          for (const allocation of allocations) await allocation.remove();
        }
        assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before);
        const left = () => disk.projects().filter(({ id }) => claims.has(id));
        await until(() => left().every(({ files }) => files === 0), "nothing belongs to the projects");
        await plugin.crash();
        const next = await startVmAgent({}, plugin.stateDir);
        assert.deepEqual(left(), []);
        await next.disconnect();
        assert.deepEqual(readdirSync(`${disk.path}/alloc`), []);
      },
      60_000 + lives * 3_000,
    );
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
  }, 240_000);
});
