/** What a task sees at `/`. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  type Dirent,
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Architecture, systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import { isAtOrBelow } from "../../../src/effects/paths/paths.ts";
import {
  defaultEntries,
  linkFolders,
  ownRootFolders,
  ownRootPaths,
} from "../../../src/effects/unveil/defaultPaths.ts";
import { type Agent, pidOf, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { hostFolder, persistentFolders } from "../../support/host/temporaryFolder.ts";

const architecture: Architecture = process.arch === "arm64" ? "arm64" : "x64";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: { unveil_by_task: true, allow_host_root: true } });
});

interface Ended {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

async function run(command: object, allocation = makeAllocation(), driver: Agent = agent): Promise<Ended> {
  const { exitCode } = await runTask(driver, allocation.config({ ...command }));
  return { exitCode, out: await allocation.stdout.text(), err: await allocation.stderr.text() };
}

const shell = (script: string) => ({ command: "sh", args: ["-c", script] });
const python = (script: string) => ({ command: "python3", args: ["-c", script] });

/** Starts a task that runs until the test calls `end`. */
async function heldTask(command: object = {}): Promise<{ readonly root: string; end(): Promise<unknown> }> {
  const allocation = makeAllocation();
  const release = allocation.gate();
  const config = allocation.config({ ...shell("read -r _ < $NOMAD_TASK_DIR/gate"), ...command });
  await startTask(agent, config);
  const end = () => {
    release();
    return agent.driver.waitTask({ taskId: config.id });
  };
  return { root: `/proc/${await pidOf(agent, config)}/root`, end };
}

const topOf = ({ taskFolder }: Allocation) => taskFolder.split("/")[1] as string;

/** Mount points of a host, at paths that are not unveiled. */
const hostsMounts = /^\/(sys|run|boot|home|root|mnt)(\/|$)/;

/** Python that prints a call's error, or "worked". */
const tried = `
import errno
def tried(what, *args):
    try:
        what(*args)
        return "worked"
    except OSError as error:
        return errno.errorcode[error.errno]`;

/**
 * Python that prints the id of its mount namespace, if the kernel reports it (NS_GET_MNTNS_ID, linux/nsfs.h).
 */
const mountNamespaceId = `
import fcntl, struct
with open("/proc/self/ns/mnt") as namespace:
    print(struct.unpack("Q", fcntl.ioctl(namespace, 0x8008b705, bytes(8)))[0])`;

/**
 * Python that compares the results of listmount(2) and statmount(2) with the task's mountinfo, and then tries
 * both calls for the host's namespace.
 */
const listMounts = (hostNamespace: string) => `
import ctypes, errno, struct
libc = ctypes.CDLL(None, use_errno=True)
LISTMOUNT, STATMOUNT = ${systemCallNumber("listmount", architecture)}, ${systemCallNumber("statmount", architecture)}
def call(number, request, answer, size):
    done = libc.syscall(number, request, answer, ctypes.c_size_t(size), 0)
    return done if done >= 0 else errno.errorcode[ctypes.get_errno()]
# struct mnt_id_req of linux/mount.h: LSMT_ROOT lists all mounts.
def ids(namespace):
    found = (ctypes.c_uint64 * 4096)()
    count = call(LISTMOUNT, struct.pack("IIQQQ", 32, 0, 2**64 - 1, 0, namespace), found, 4096)
    return count if isinstance(count, str) else found[:count]
def point(mount):
    answer = ctypes.create_string_buffer(8192)
    MNT_POINT = 0x10
    done = call(STATMOUNT, struct.pack("IIQQQ", 32, 0, mount, MNT_POINT, 0), answer, 8192)
    if isinstance(done, str): return done
    text = 512 + struct.unpack_from("I", answer, 108)[0]
    return answer.raw[text:answer.raw.index(b"\\0", text)].decode()
mine = ids(0)
if isinstance(mine, str):
    print(mine, point(1))
else:
    known = [line.split()[4] for line in open("/proc/self/mountinfo")]
    told = [point(mount) for mount in mine]
    # The root is not mounted on anything that the task sees, and may be left out.
    print("as in mountinfo" if set(told) | {"/"} == set(known) else told)
    print(ids(${hostNamespace}))
    print(*told)`;

/** Python that watches folders, waits at the gate, and prints the names of files created in the folders. */
const watchFolders = (paths: readonly string[]) => `
import ctypes, errno, os, struct
libc = ctypes.CDLL(None, use_errno=True)
watcher = libc.inotify_init1(os.O_NONBLOCK)
IN_CREATE = 0x100
def watch(path):
    added = libc.inotify_add_watch(watcher, path.encode(), IN_CREATE)
    return "worked" if added >= 0 else errno.errorcode[ctypes.get_errno()]
print(*[watch(path) for path in ${JSON.stringify(paths)}])
print("watching", flush=True)
open(os.environ["NOMAD_TASK_DIR"] + "/gate").readline()
names = []
try:
    events = os.read(watcher, 65536)
    while events:
        length = struct.unpack_from("iIII", events)[3]
        names.append(events[16:16 + length].rstrip(b"\\0").decode())
        events = events[16 + length:]
except BlockingIOError: pass
print(*(names or ["nothing"]))`;

/** A sample of host paths at and below a folder: a few entries of each folder, down to the given depth. */
function pathsBelow(folder: string, levels: number): string[] {
  if (levels === 0 || folder === "/proc") return [];
  let entries: Dirent[] = [];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    // The folder is gone, or may not be listed.
  }
  return entries.slice(0, folder === "/" ? undefined : 40).flatMap((entry) => {
    const path = join(folder, entry.name);
    return [path, ...(entry.isDirectory() ? pathsBelow(path, levels - 1) : [])];
  });
}

/** The host path without symlinks, if the path exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

describe("a root of the task's own", () => {
  test("contains at its top, in /dev and in /etc only entries that lead to unveiled paths", async () => {
    const task = await heldTask();
    const names = readdirSync(task.root);
    const usual = ["bin", "dev", "etc", "lib", "lib64", "proc", "tmp", "usr", topOf(makeAllocation())];
    expect(names.filter((name) => !usual.includes(name))).toEqual([]);
    expect(readdirSync(`${task.root}/dev`).filter((name) => name !== "log")).toEqual(
      "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero".split(" "),
    );
    const etc = readdirSync(`${task.root}/etc`);
    expect(etc).toContain("hosts");
    expect(etc.filter((name) => /passwd|shadow|group|machine-id|ssh/.test(name))).toEqual([]);
    await task.end();
  });

  test("shows no name, size or socket of other files: they are not there", async () => {
    const folder = hostFolder();
    writeFileSync(`${folder}/secret`, "x", { mode: 0o644 });
    const server = createServer().listen(`${folder}/socket`);
    onTestFinished(() => void server.close());
    await expect.poll(() => server.listening).toBe(true);
    const script = `${tried}
import os, socket
connect = lambda path: socket.socket(socket.AF_UNIX).connect(path)
for path in ["${folder}/secret", "${folder}", "/etc/passwd", "/root", "/home", "/run", "/var/log", "/boot"]:
    print(tried(os.stat, path), tried(open, path), tried(os.listdir, path), tried(os.readlink, path))
print(tried(connect, "${folder}/socket"), tried(connect, "/run/systemd/private"))`;
    const own = await run(python(script));
    expect(new Set(own.out.trim().split(/\s+/))).toEqual(new Set(["ENOENT"]));
    const hosts = await run({ ...python(script), root: "host" });
    expect(hosts.out.split("\n")[0]).toBe("worked EACCES ENOTDIR EINVAL");
  });

  test("has only mounts of its own, none with set-uid programs, and devices in /dev alone", async () => {
    const { out } = await run({ ...shell("cat /proc/self/mountinfo"), unveil: ["r:/proc/self/mountinfo"] });
    const mounts = out
      .trim()
      .split("\n")
      .map((line) => ({ point: line.split(" ")[4] ?? "", options: line.split(" ")[5] ?? "" }));
    const points = mounts.map(({ point }) => point);
    expect(points).toEqual(expect.arrayContaining(["/", "/usr/bin", "/proc", "/tmp"]));
    expect(points.filter((point) => hostsMounts.test(point))).toEqual([]);
    for (const { point, options } of mounts) {
      expect(options, point).toContain("nosuid");
      if (!/^\/(dev|proc)\//.test(point)) expect(options, point).toContain("nodev");
    }
  });

  test("cannot be changed by root, either", async () => {
    const rooted = await startAgent({ options: { allow_root: true } });
    const asRoot = (script: string) =>
      run(shell(script), makeAllocation({ user: { name: "root", uid: 0, gid: 0 } }), rooted);
    const writes = ["/x", "/usr/x", "/usr/bin/x", "/etc/x", "/dev/x"].map((path) => `sh -c 'echo > ${path}'`);
    const written = await asRoot(writes.join("; "));
    expect(written.err.match(/Permission denied|Read-only file system/g)).toHaveLength(writes.length);
    // Landlock does not protect modes and owners, but read-only mounts do.
    const paths = ["/usr/bin/env", "/etc/hosts", "/dev/null", "/dev/zero", "/"];
    const changed = await asRoot(`chmod 0777 ${paths.join(" ")}; chown 1 /etc/hosts`);
    expect(changed.err.match(/Read-only file system/g)).toHaveLength(paths.length + 1);
  });

  test("has shared memory, terminals and a /tmp that no other task sees", async () => {
    const script = "echo mine > /dev/shm/note; echo mine > /tmp/note; ls /dev/shm /tmp /dev/pts";
    const other = await heldTask(shell(`${script}; read -r _ < $NOMAD_TASK_DIR/gate`));
    const { out } = await run(shell(`ls -A /dev/shm /tmp; ${script}`));
    expect(out).toBe("/dev/shm:\n\n/tmp:\n/dev/pts:\nptmx\n\n/dev/shm:\nnote\n\n/tmp:\nnote\n");
    await other.end();
  });

  test("has as much shared memory as the job asks for, and runs no programs from it", async () => {
    const script =
      "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2; cp /bin/true /dev/shm; /dev/shm/true";
    const { out, err, exitCode } = await run({ ...shell(script), shm_size: 3 });
    expect([out, exitCode]).toEqual(["3072\n", 126]);
    expect(err).toMatch(/Permission denied/);
    expect((await run(shell(script))).out).toBe("65536\n");
  });

  test("lets programs open terminals and share memory between processes", async () => {
    const script = `
import multiprocessing, os, pty
with multiprocessing.Pool(2) as pool:
    print(sum(pool.map(abs, [-1, -2, -3])))
counter = multiprocessing.Value("i", 41)
counter.value += 1
print(counter.value, flush=True)
pty.spawn(["sh", "-c", "tty; test -t 0 && echo terminal"])`;
    const { out, err } = await run(python(script));
    expect(err).toBe("");
    expect(out.replaceAll("\r", "")).toBe("6\n42\n/dev/pts/0\nterminal\n");
  });
});

test("a task's folders are at the paths in its environment, even through a symlink of the host", async () => {
  const allocation = makeAllocation();
  const link = `${hostFolder()}/data`;
  const data = allocation.folder.slice(0, allocation.folder.lastIndexOf("/alloc/"));
  symlinkSync(data, link);
  const env = Object.fromEntries(
    Object.entries(allocation.env).filter(([, value]) => value.startsWith(data)),
  );
  const linked = Object.entries(env).map(([name, value]) => [name, link + value.slice(data.length)]);
  const script = "pwd; echo mine > local/file && cat $NOMAD_TASK_DIR/file; echo x > $NOMAD_ALLOC_DIR/logs/x";
  for (const root of ["private", "host"]) {
    const config = allocation.config({ ...shell(script), root }, { env: Object.fromEntries(linked) });
    expect(await runTask(agent, config)).toMatchObject({ exitCode: 2 });
  }
  const seen = link + allocation.taskFolder.slice(data.length);
  expect(await allocation.stdout.text()).toBe(`${seen}\nmine\n${allocation.taskFolder}\nmine\n`);
  expect((await allocation.stderr.text()).match(/logs\/x: Read-only file system/g)).toHaveLength(2);
});

test("roots of tasks that unveil the same are made once", async () => {
  const task = { ...shell("true"), unveil: ["r:/etc/debian_version"] };
  await run(task);
  const before = namespacesOf(agent);
  await run(task);
  await run(task);
  expect(namespacesOf(agent)).toEqual(before);
});

/** Mount namespaces that the plugin has open, by descriptor. */
function namespacesOf({ pid }: Agent): Readonly<Record<string, string>> {
  const folder = `/proc/${pid}/fd`;
  const entries = readdirSync(folder).map((fd) => [fd, linkOf(`${folder}/${fd}`)] as const);
  return Object.fromEntries(entries.filter(([, target]) => target.startsWith("mnt:")));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

describe("users and groups of the task's own", () => {
  const names = "id -un; id -gn; whoami; wc -l < /etc/passwd";

  test("exist if the job asks for them: root, nobody and the task's user", async () => {
    const allocation = makeAllocation();
    const { out, err } = await run({ ...shell(names), identity_files: true }, allocation);
    const { name } = allocation.user;
    expect([out, err]).toEqual([`${name}\n${name}\n${name}\n3\n`, ""]);
  });

  test("exist by default if the operator says so, also in the host's tree", async () => {
    const driver = await startAgent({ options: { identity_files: true, root: "host" } });
    const allocation = makeAllocation();
    const { out } = await run(shell(names), allocation, driver);
    expect(out).toBe(`${`${allocation.user.name}\n`.repeat(3)}3\n`);
    const { err } = await run({ ...shell(names), identity_files: false }, makeAllocation(), driver);
    expect(err).toMatch(/passwd: Permission denied/);
  });

  test("do not exist otherwise", async () => {
    const { err } = await run(shell(names));
    expect(err).toMatch(/cannot find name for user ID/);
    expect(err).toMatch(/\/etc\/passwd: No such file/);
  });
});

describe("of the host", () => {
  test("only unveiled paths and their parents exist", async () => {
    const allocation = makeAllocation();
    const known = [...defaultEntries, ...ownRootPaths, ...ownRootFolders].map(({ path }) => path);
    const unveiled = [...known, ...linkFolders, "/proc", "/dev/ptmx", allocation.folder];
    const targets = unveiled.map(realPath);
    const isExpected = (path: string) =>
      unveiled.some((entry) => isAtOrBelow(path, entry) || isAtOrBelow(entry, path)) ||
      targets.some((target) => isAtOrBelow(realPath(path), target));
    const ofHost = pathsBelow("/", 3);
    expect(ofHost.filter((path) => !isExpected(path)).length).toBeGreaterThan(50);
    writeFileSync(`${allocation.taskFolder}/local/paths`, JSON.stringify(ofHost));
    const { out } = await run(
      python(`
import json, os
paths = json.load(open(os.environ["NOMAD_TASK_DIR"] + "/paths"))
print(json.dumps([path for path in paths if os.path.lexists(path)]))`),
      allocation,
    );
    const seen: string[] = JSON.parse(out);
    expect(seen).toContain("/usr/bin");
    expect(seen.filter((path) => !isExpected(path))).toEqual([]);
  });

  test("no file is found by walking the root, only folders and symlinks that lead to unveiled paths", async () => {
    const task = await heldTask();
    const ends = [...defaultEntries, ...ownRootPaths, ...ownRootFolders].map(({ path }) => path);
    const stop = new Set([...ends, ...linkFolders, "/proc", "/dev/ptmx", persistentFolders]);
    const strange: string[] = [];
    const walk = (folder: string) => {
      for (const entry of readdirSync(`${task.root}${folder}`, { withFileTypes: true })) {
        const path = `${folder}/${entry.name}`;
        if (stop.has(path)) continue;
        if (entry.isDirectory()) walk(path);
        else if (!entry.isSymbolicLink()) strange.push(path);
      }
    };
    walk("");
    // The targets of symlinks of the default paths, such as the host's /etc/resolv.conf.
    const targets = ends.map(realPath);
    expect(strange.filter((path) => !targets.some((target) => isAtOrBelow(path, target)))).toEqual([]);
    await task.end();
  });

  test("no mount is shown by statmount and listmount, not even without the filter of system calls", async () => {
    const unfiltered = await startAgent({
      options: { unveil_by_task: true, allow_seccomp: ["unconfined"] },
    });
    const hostNamespace = spawnSync("python3", ["-c", mountNamespaceId], { encoding: "utf8" }).stdout.trim();
    const task = { ...python(listMounts(hostNamespace || "1")), unveil: ["r:/proc/self/mountinfo"] };
    expect((await run(task, makeAllocation(), unfiltered)).out).toBe("ENOSYS ENOSYS\n");
    const { out, err } = await run({ ...task, seccomp: "unconfined" }, makeAllocation(), unfiltered);
    expect(err).toBe("");
    if (out === "ENOSYS ENOSYS\n") {
      console.warn("NOT TESTED: this kernel has no listmount");
      return;
    }
    const [compared, ofHost, told = ""] = out.split("\n");
    expect([compared, ofHost]).toEqual(["as in mountinfo", expect.stringMatching(/^E[A-Z]+$/)]);
    expect(told.split(" ")).toContain("/usr/bin");
    expect(told.split(" ").filter((point) => hostsMounts.test(point))).toEqual([]);
  });

  test("no socket can be bound, reached or listed", async () => {
    const folder = hostFolder();
    const server = createServer().listen(`${folder}/socket`);
    onTestFinished(() => void server.close());
    await expect.poll(() => server.listening).toBe(true);
    chmodSync(`${folder}/socket`, 0o777);
    const { out } = await run(
      python(`${tried}
import socket
def unix(kind): return socket.socket(socket.AF_UNIX, kind)
print(tried(unix(socket.SOCK_STREAM).connect, "${folder}/socket"))
print(tried(unix(socket.SOCK_DGRAM).sendto, b"x", "${folder}/socket"))
print(tried(unix(socket.SOCK_STREAM).bind, "${folder}/mine"))
for file in ["unix", "tcp", "netlink"]: print(tried(open, "/proc/net/" + file))
print(tried(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, 4))`),
    );
    expect(out.trim().split("\n")).toEqual([
      ...["ENOENT", "ENOENT", "ENOENT"],
      ...["EACCES", "EACCES", "EACCES"],
      "EPROTONOSUPPORT",
    ]);
  });

  test("inotify reports no change in a folder, neither by a path of the host nor by one that leads to the task", async () => {
    const folder = hostFolder();
    const watch = async (options: object) => {
      const allocation = makeAllocation();
      const release = allocation.gate();
      const paths = [folder, "/var/log", "/root", "/etc", persistentFolders];
      const config = allocation.config({ ...python(watchFolders(paths)), ...options });
      await startTask(agent, config);
      await allocation.stdout.contains("watching");
      writeFileSync(`${folder}/secret`, "x");
      rmSync(`${folder}/secret`);
      rmSync(mkdtempSync(`${persistentFolders}/exec2-root-`), { recursive: true });
      release();
      await agent.driver.waitTask({ taskId: config.id });
      const [added = "", , told = ""] = (await allocation.stdout.text()).split("\n");
      return { added: added.split(" "), told };
    };
    expect(await watch({})).toEqual({
      added: ["ENOENT", "ENOENT", "ENOENT", "worked", "worked"],
      told: "nothing",
    });
    // With only Landlock the task can watch the folder.
    expect((await watch({ root: "host" })).told).toMatch(/secret .*exec2-root-/);
  });
});

describe("a change on the host", () => {
  test("is in the root of the next task: created, removed and replaced files", async () => {
    const folder = hostFolder();
    writeFileSync(`${folder}/file`, "first\n");
    const task = { ...shell(`cat ${folder}/file; ls ${folder}/sub`), unveil: [`r:${folder}/file`] };
    expect((await run(task)).out).toBe("first\n");
    writeFileSync(`${folder}/next`, "second\n");
    renameSync(`${folder}/next`, `${folder}/file`);
    expect((await run(task)).out).toBe("second\n");
    rmSync(`${folder}/file`);
    await expect(run(task)).rejects.toThrow(/UNVEIL_PATH_MISSING/);
    writeFileSync(`${folder}/file`, "third\n");
    expect((await run(task)).out).toBe("third\n");
  });

  test("is in the root of the next task: mounts below an unveiled folder whose mount is private", async () => {
    const folder = hostFolder();
    const mount = (...args: string[]) => expect(spawnSync("mount", args).status, args.join(" ")).toBe(0);
    mount("--bind", folder, folder);
    onTestFinished(() => void spawnSync("umount", ["--recursive", "--lazy", folder]));
    mount("--make-private", folder);
    writeFileSync(`${folder}/below`, "hidden\n");
    const task = { ...shell(`cat ${folder}/below`), unveil: [`r:${folder}`] };
    expect((await run(task)).out).toBe("hidden\n");
    writeFileSync(`${folder}/over`, "over\n");
    mount("--bind", `${folder}/over`, `${folder}/below`);
    expect((await run(task)).out).toBe("over\n");
  });
});

describe("the host's tree", () => {
  test("can be requested by a job if the operator allows it", async () => {
    expect((await run({ ...shell("stat -c %n /etc/passwd"), root: "host" })).out).toBe("/etc/passwd\n");
    const strict = await startAgent({});
    await expect(run({ ...shell("true"), root: "host" }, makeAllocation(), strict)).rejects.toThrow(
      /"root".*allow_host_root/s,
    );
  });

  test("is the root of tasks if the operator says so, except of those that ask for a root of their own", async () => {
    const driver = await startAgent({ options: { root: "host" } });
    const script = shell("stat -c %n /etc/passwd; true");
    expect((await run(script, makeAllocation(), driver)).out).toBe("/etc/passwd\n");
    expect((await run({ ...script, root: "private" }, makeAllocation(), driver)).out).toBe("");
  });

  test("is the root of a task to which the client unveils everything", async () => {
    const driver = await startAgent({ options: { unveil_paths: ["r:/"] } });
    const { out } = await run(shell("cat /etc/passwd | head -1"), makeAllocation(), driver);
    expect(out).toMatch(/^root:/);
  });
});

describe("a command or work dir of the host that is not unveiled", () => {
  test("is not found, and the error has the unveil entry that would add it", async () => {
    const program = `${hostFolder()}/program`;
    writeFileSync(program, "#!/bin/sh\necho ran\n", { mode: 0o755 });
    await expect(run({ command: program })).rejects.toThrow(
      `COMMAND_NOT_FOUND: command "${program}" is on the host, but not in the task's root (stat ${program}: ENOENT). Add unveil "rx:${program}"`,
    );
    expect(await run({ command: program, unveil: [`rx:${program}`] })).toMatchObject({ out: "ran\n" });
    await expect(run({ command: "true", work_dir: "/var/log" })).rejects.toThrow(
      /WORK_DIR_INVALID: work_dir "\/var\/log" is not in the task's root .*Add unveil "r:\/var\/log"/,
    );
  });

  test("is skipped if another folder of the PATH has the command", async () => {
    const folder = hostFolder();
    writeFileSync(`${folder}/true`, "#!/bin/sh\nexit 3\n", { mode: 0o755 });
    const allocation = makeAllocation();
    const config = allocation.config({ command: "true" }, { env: { PATH: `${folder}:/usr/bin` } });
    expect(await runTask(agent, config)).toMatchObject({ exitCode: 0 });
  });
});

describe("/proc", () => {
  test("reveals and changes nothing of the host, even if the job may read it as root", async () => {
    const rooted = await startAgent({ options: { allow_root: true, unveil_paths: ["rw:/proc"] } });
    const files = ["keys", "timer_list", "kcore", "interrupts", "sched_debug", "latency_stats"];
    // Some kernels have no sysrq.
    const switches = ["sys/kernel/hostname", "sysrq-trigger", "irq/default_smp_affinity"].filter((file) =>
      existsSync(`/proc/${file}`),
    );
    expect(switches).not.toEqual([]);
    const script = `for file in ${files.join(" ")}; do test -e /proc/$file && head -c 100 /proc/$file; done
      for file in ${switches.join(" ")}; do sh -c "echo 0 > /proc/$file" && echo "changed $file"; done
      cat /proc/self/comm`;
    const allocation = makeAllocation({ user: { name: "root", uid: 0, gid: 0 } });
    const { out, err } = await run(shell(script), allocation, rooted);
    expect(out).toBe("cat\n");
    for (const file of switches)
      expect(err).toMatch(new RegExp(`/proc/${file}: (?:Read-only file system|Permission denied)`));
  });
});
