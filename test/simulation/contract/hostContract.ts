/**
 * What the driver relies on in the calls that the simulation replaces. The cases are tried on the real host and on
 * the simulated one.
 */
import { constants } from "node:fs";
import { constants as os } from "node:os";
import { beforeEach, describe, expect, it } from "vitest";
import { DriverError, errnoOf } from "../../../src/base/errors.ts";
import { CGROUP2_SUPER_MAGIC } from "../../../src/effects/kernel/constants.ts";
import { parseStat } from "../../../src/effects/processes/processStat.ts";
import type { Host, IdleProcess } from "./host.ts";

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const { SIGKILL, SIGUSR1 } = os.signals;
const readFifo = O_RDONLY | O_NONBLOCK | O_NOFOLLOW;

export function hostContract(open: () => Promise<Host>): void {
  let host: Host;
  beforeEach(async () => {
    host = await open();
  });

  describe("folders and files", () => {
    it("a folder is made below one that exists, once", () => {
      const { fs, folder } = host;
      fs.mkdirSync(`${folder}/a`);
      expect(errnoOfCall(() => fs.mkdirSync(`${folder}/a`))).toBe("EEXIST");
      expect(errnoOfCall(() => fs.mkdirSync(`${folder}/missing/a`))).toBe("ENOENT");
      expect(fs.existsSync(`${folder}/a`)).toBe(true);
      expect(fs.existsSync(`${folder}/missing`)).toBe(false);
    });

    it("a folder's entries are listed, and those that are folders", () => {
      const { fs, libc, folder } = host;
      fs.mkdirSync(`${folder}/a`);
      fs.mkdirSync(`${folder}/a/folder`);
      libc.mkfifo(`${folder}/a/fifo`, 0o600);
      host.makeFile(`${folder}/a/file`);
      expect(fs.readdirSync(`${folder}/a`).sort()).toEqual(["fifo", "file", "folder"]);
      const entries = fs.readdirSync(`${folder}/a`, { withFileTypes: true });
      expect(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)).toEqual(["folder"]);
      expect(errnoOfCall(() => fs.readdirSync(`${folder}/missing`))).toBe("ENOENT");
      expect(errnoOfCall(() => fs.readdirSync(`${folder}/a/file`))).toBe("ENOTDIR");
    });

    it("a file is overwritten, read, and has a time", () => {
      const { fs, folder } = host;
      const path = `${folder}/file`;
      host.makeFile(path);
      const file = fs.openSync(path, O_WRONLY);
      expect(fs.writeSync(file, Buffer.from("content"), 0, 7, 0)).toBe(7);
      fs.closeSync(file);
      expect(fs.readFileSync(path, "utf8")).toBe("content");
      expect(fs.readFileSync(path)).toEqual(Buffer.from("content"));
      expect(fs.statSync(path).mtimeMs).toBeGreaterThan(0);
      for (const call of [() => fs.openSync(`${path}2`, O_WRONLY), () => fs.statSync(`${path}2`)])
        expect(errnoOfCall(call)).toBe("ENOENT");
      expect(errnoOfCall(() => fs.readFileSync(`${path}2`))).toBe("ENOENT");
      expect(errnoOfCall(() => fs.readFileSync(folder))).toBe("EISDIR");
      expect(errnoOfCall(() => fs.readFileSync(`${path}/below`))).toBe("ENOTDIR");
    });

    it("a part of a file is overwritten, and the rest stays", () => {
      const { fs, folder } = host;
      const path = `${folder}/file`;
      host.makeFile(path);
      for (const content of ["long content", "new"]) {
        const file = fs.openSync(path, O_WRONLY);
        fs.writeSync(file, Buffer.from(content), 0, content.length, 0);
        fs.closeSync(file);
      }
      expect(fs.readFileSync(path, "utf8")).toBe("newg content");
    });

    it("a folder is renamed with its files, onto nothing or onto an empty folder", () => {
      const { fs, folder } = host;
      for (const name of ["a", "b", "empty"]) fs.mkdirSync(`${folder}/${name}`);
      for (const name of ["a", "b"]) host.makeFile(`${folder}/${name}/file`);
      fs.renameSync(`${folder}/a`, `${folder}/empty`);
      expect(fs.readdirSync(folder).sort()).toEqual(["b", "empty"]);
      expect(fs.readdirSync(`${folder}/empty`)).toEqual(["file"]);
      fs.renameSync(`${folder}/empty`, `${folder}/a`);
      expect(errnoOfCall(() => fs.renameSync(`${folder}/a`, `${folder}/b`))).toBe("ENOTEMPTY");
      expect(errnoOfCall(() => fs.renameSync(`${folder}/empty`, `${folder}/b`))).toBe("ENOENT");
      expect(errnoOfCall(() => fs.renameSync(`${folder}/a`, `${folder}/missing/a`))).toBe("ENOENT");
      expect(fs.readdirSync(folder).sort()).toEqual(["a", "b"]);
    });

    it("a folder is removed with all that is in it, and by force even if it is missing", () => {
      const { fs, folder, libc } = host;
      fs.mkdirSync(`${folder}/a`);
      fs.mkdirSync(`${folder}/a/b`);
      libc.mkfifo(`${folder}/a/b/fifo`, 0o600);
      fs.rmSync(`${folder}/a`, { recursive: true });
      expect(fs.readdirSync(folder)).toEqual([]);
      expect(errnoOfCall(() => fs.rmSync(`${folder}/a`, { recursive: true }))).toBe("ENOENT");
      fs.rmSync(`${folder}/a`, { recursive: true, force: true });
    });
  });

  describe("FIFOs", () => {
    it("a FIFO is made below a folder that exists, once", () => {
      const { fs, libc, folder } = host;
      libc.mkfifo(`${folder}/fifo`, 0o600);
      expect(errnoOfCall(() => libc.mkfifo(`${folder}/fifo`, 0o600))).toBe("EEXIST");
      expect(errnoOfCall(() => libc.mkfifo(`${folder}/missing/fifo`, 0o600))).toBe("ENOENT");
      expect(errnoOfCall(() => fs.openSync(`${folder}/missing`, readFifo))).toBe("ENOENT");
    });

    it("a reader waits while a process has it open for writing, and is at the end before and afterwards", async () => {
      const { fs, libc, folder, cgroup } = host;
      const path = `${folder}/fifo`;
      libc.mkfifo(path, 0o600);
      const fifo = fs.openSync(path, readFifo);
      expect(fs.fstatSync(fifo).isFIFO()).toBe(true);
      expect(read(fifo)).toBe(0);
      const writer = await host.start(cgroup, path);
      expect(read(fifo)).toBe("EAGAIN");
      host.kill(writer);
      await host.until(() => read(fifo) === 0);
      fs.closeSync(fifo);
      expect(read(fifo)).toBe("EBADF");
    });

    it("a socket on it ends when the last process has closed it, and not before", async () => {
      const { fs, libc, folder, cgroup } = host;
      const path = `${folder}/fifo`;
      libc.mkfifo(path, 0o600);
      const writers = [await host.start(cgroup, path), await host.start(cgroup, path)];
      let isEnded = false;
      const socket = new host.Socket({ fd: fs.openSync(path, readFifo), readable: true, writable: false });
      socket.once("end", () => {
        isEnded = true;
      });
      socket.resume();
      const [first, last] = writers as [IdleProcess, IdleProcess];
      host.kill(first);
      await host.until(() => !exists(first));
      expect(isEnded).toBe(false);
      host.kill(last);
      await host.until(() => isEnded);
    });

    it("a process's FIFO has the name to which it was renamed, or that of which it was removed", async () => {
      const { fs, libc, folder, cgroup } = host;
      fs.mkdirSync(`${folder}/a`);
      libc.mkfifo(`${folder}/a/fifo`, 0o600);
      const { pid } = await host.start(cgroup, `${folder}/a/fifo`);
      expect(fs.readlinkSync(`/proc/${pid}/fd/9`)).toBe(`${folder}/a/fifo`);
      expect(errnoOfCall(() => fs.readlinkSync(`/proc/${pid}/fd/77`))).toBe("ENOENT");
      fs.renameSync(`${folder}/a`, `${folder}/b`);
      expect(fs.readlinkSync(`/proc/${pid}/fd/9`)).toBe(`${folder}/b/fifo`);
      fs.rmSync(`${folder}/b`, { recursive: true });
      expect(fs.readlinkSync(`/proc/${pid}/fd/9`)).toBe(`${folder}/b/fifo (deleted)`);
      // Another FIFO with this name is not that of the process.
      fs.mkdirSync(`${folder}/b`);
      libc.mkfifo(`${folder}/b/fifo`, 0o600);
      expect(fs.readlinkSync(`/proc/${pid}/fd/9`)).toBe(`${folder}/b/fifo (deleted)`);
      const other = fs.openSync(`${folder}/b/fifo`, readFifo);
      expect(read(other)).toBe(0);
    });

    it("a process's FIFO can be opened through the process, although its name was removed", async () => {
      const { fs, libc, folder, cgroup } = host;
      const path = `${folder}/fifo`;
      libc.mkfifo(path, 0o600);
      const process = await host.start(cgroup, path);
      fs.rmSync(path);
      expect(errnoOfCall(() => fs.openSync(path, readFifo))).toBe("ENOENT");
      const fifo = fs.openSync(`/proc/${process.pid}/fd/9`, O_RDONLY | O_NONBLOCK);
      expect(fs.fstatSync(fifo).isFIFO()).toBe(true);
      expect(read(fifo)).toBe("EAGAIN");
      host.kill(process);
      await host.until(() => read(fifo) === 0);
      expect(errnoOfCall(() => fs.openSync(`/proc/${process.pid}/fd/9`, readFifo))).toBe("ENOENT");
    });
  });

  describe("processes", () => {
    it("a process's record has its pid, its state and its session, until it is gone", async () => {
      const { fs, cgroup } = host;
      const process = await host.start(cgroup);
      // It may still run to the call in which it then waits.
      await host.until(() => statOf(process)?.state === "S");
      const stat = statOf(process);
      expect(stat?.pid).toBe(process.pid);
      expect(stat?.startTicks).toBeGreaterThan(0);
      host.kill(process);
      await host.until(() => !exists(process));
      expect(errnoOfCall(() => fs.readFileSync(`/proc/${process.pid}/stat`))).toBe("ENOENT");
    });

    it("a process is opened and gets signals until it is gone", async () => {
      const { fs, libc, cgroup } = host;
      const process = await host.start(cgroup);
      const pidfd = libc.pidfdOpen(process.pid);
      libc.pidfdSendSignal(pidfd, SIGKILL, 0);
      await host.until(() => !exists(process));
      expect(errnoOfCall(() => libc.pidfdSendSignal(pidfd, SIGKILL, 0))).toBe("ESRCH");
      expect(errnoOfCall(() => libc.pidfdOpen(process.pid))).toBe("ESRCH");
      fs.closeSync(pidfd);
      expect(errnoOfCall(() => libc.pidfdSendSignal(pidfd, SIGKILL, 0))).toBe("EBADF");
    });

    it("a zombie has a record, is opened, takes signals without an error, and has no files", async () => {
      const { fs, libc, cgroup } = host;
      const process = await host.startUnreaped(cgroup);
      host.kill(process);
      await host.until(() => statOf(process)?.state === "Z");
      const pidfd = libc.pidfdOpen(process.pid);
      libc.pidfdSendSignal(pidfd, SIGKILL, 0);
      libc.pidfdSendSignal(pidfd, SIGUSR1, 0);
      fs.closeSync(pidfd);
      expect(errnoOfCall(() => fs.readlinkSync(`/proc/${process.pid}/fd/9`))).toBe("ENOENT");
    });

    it("a pipe takes bytes while a process has its read end, and no longer", async () => {
      const { fs, libc, cgroup } = host;
      const { write, reader } = await host.pipeTo(cgroup);
      expect(fs.writeSync(write, "g")).toBe(1);
      host.kill(reader);
      await host.until(() => !exists(reader));
      expect(errnoOfCall(() => fs.writeSync(write, "g"))).toBe("EPIPE");
      fs.closeSync(write);
      const own = libc.pipe2();
      expect(fs.writeSync(own.write, "g")).toBe(1);
      fs.closeSync(own.read);
      expect(errnoOfCall(() => fs.writeSync(own.write, "g"))).toBe("EPIPE");
      fs.closeSync(own.write);
    });
  });

  describe("cgroups", () => {
    it("a cgroup has its path, its file system and its number of children", () => {
      const { fs, cgroup } = host;
      expect(fs.realpathSync.native(cgroup)).toBe(cgroup);
      expect(fs.statfsSync(cgroup).type).toBe(CGROUP2_SUPER_MAGIC);
      const links = fs.statSync(cgroup).nlink;
      host.makeCgroup(`${cgroup}/child`);
      expect(fs.statSync(cgroup).nlink).toBe(links + 1);
      const entries = fs.readdirSync(cgroup, { withFileTypes: true });
      expect(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)).toEqual(["child"]);
      for (const call of ["realpath", "statfs", "stat"] as const)
        expect(errnoOfCall(() => callOf(call)(`${cgroup}/missing`))).toBe("ENOENT");
    });

    it("its processes are those in itself, and it is populated by those below it, too", async () => {
      const { fs, cgroup } = host;
      expect([procs(cgroup), isPopulated(cgroup)]).toEqual([[], false]);
      host.makeCgroup(`${cgroup}/child`);
      const process = await host.start(`${cgroup}/child`);
      expect([procs(cgroup), procs(`${cgroup}/child`)]).toEqual([[], [process.pid]]);
      expect([isPopulated(cgroup), isPopulated(`${cgroup}/child`)]).toEqual([true, true]);
      host.kill(process);
      await host.until(() => !isPopulated(cgroup));
      expect(procs(`${cgroup}/child`)).toEqual([]);
      expect(errnoOfCall(() => fs.readFileSync(`${cgroup}/missing/cgroup.procs`))).toBe("ENOENT");
    });

    it("a zombie leaves its cgroup, which can be removed", async () => {
      const { promises, cgroup } = host;
      host.makeCgroup(`${cgroup}/child`);
      const process = await host.startUnreaped(`${cgroup}/child`);
      host.kill(process);
      await host.until(() => !isPopulated(`${cgroup}/child`));
      expect(statOf(process)?.state).toBe("Z");
      expect(procs(`${cgroup}/child`)).toEqual([]);
      await host.settled(promises.rmdir(`${cgroup}/child`));
      expect(statOf(process)?.state).toBe("Z");
    });

    it("cgroup.kill ends the processes in it and below it", async () => {
      const { promises, cgroup } = host;
      host.makeCgroup(`${cgroup}/child`);
      const processes = [await host.start(cgroup), await host.start(`${cgroup}/child`)];
      await host.settled(promises.writeFile(`${cgroup}/cgroup.kill`, "1"));
      await host.until(() => !isPopulated(cgroup));
      await host.until(() => !processes.some(exists));
      expect(await errnoOfPromise(promises.writeFile(`${cgroup}/missing/cgroup.kill`, "1"))).toBe("ENOENT");
    });

    it("is removed once it has neither processes nor children", async () => {
      const { fs, promises, cgroup } = host;
      const child = `${cgroup}/child`;
      host.makeCgroup(child);
      host.makeCgroup(`${child}/grandchild`);
      expect(await errnoOfPromise(promises.rmdir(child))).toBe("EBUSY");
      await host.settled(promises.rmdir(`${child}/grandchild`));
      const process = await host.start(child);
      expect(await errnoOfPromise(promises.rmdir(child))).toBe("EBUSY");
      host.kill(process);
      await host.until(() => !isPopulated(child));
      await host.settled(promises.rmdir(child));
      expect(await errnoOfPromise(promises.rmdir(child))).toBe("ENOENT");
      expect(errnoOfCall(() => fs.readFileSync(`${child}/cgroup.events`))).toBe("ENOENT");
      expect(fs.existsSync(child)).toBe(false);
      expect(fs.existsSync(cgroup)).toBe(true);
    });

    it("is frozen and thawed, and its frozen processes can be killed", async () => {
      const { fs, promises, cgroup } = host;
      const isFrozen = () => fs.readFileSync(`${cgroup}/cgroup.events`, "utf8").includes("frozen 1");
      const process = await host.start(cgroup);
      expect(isFrozen()).toBe(false);
      await host.settled(promises.writeFile(`${cgroup}/cgroup.freeze`, "1"));
      await host.until(isFrozen);
      await host.settled(promises.writeFile(`${cgroup}/cgroup.freeze`, "0"));
      await host.until(() => !isFrozen());
      await host.settled(promises.writeFile(`${cgroup}/cgroup.freeze`, "1"));
      await host.until(isFrozen);
      host.kill(process);
      await host.until(() => !exists(process));
      expect(await errnoOfPromise(promises.writeFile(`${cgroup}/missing/cgroup.freeze`, "1"))).toBe("ENOENT");
    });

    it("a watch of its events tells when it becomes empty, also for those above it", async () => {
      const { fs, cgroup } = host;
      const child = `${cgroup}/child`;
      host.makeCgroup(child);
      const process = await host.start(child);
      const told = new Set<string>();
      const watchers = [cgroup, child].map((path) =>
        fs.watch(`${path}/cgroup.events`, { persistent: false }, () => told.add(path)),
      );
      host.kill(process);
      await host.until(() => told.size === 2);
      for (const watcher of watchers) watcher.close();
      expect(errnoOfCall(() => fs.watch(`${cgroup}/missing/cgroup.events`))).toBe("ENOENT");
    });

    it("keeps an attribute", () => {
      const { libc, cgroup } = host;
      const name = "trusted.exec2.contract";
      expect(libc.getxattr(cgroup, name)).toBeUndefined();
      libc.setxattr(cgroup, name, "first");
      libc.setxattr(cgroup, name, "second");
      expect(libc.getxattr(cgroup, name)).toBe("second");
      expect(libc.getxattr(`${cgroup}/missing`, name)).toBeUndefined();
      expect(errnoOfCall(() => libc.setxattr(`${cgroup}/missing`, name, "value"))).toBe("ENOENT");
    });
  });

  /** Bytes that are read, or the errno. */
  function read(descriptor: number): number | string | undefined {
    let bytes = 0;
    const code = errnoOfCall(() => {
      bytes = host.fs.readSync(descriptor, new Uint8Array(1));
    });
    return code ?? bytes;
  }

  function callOf(name: "realpath" | "statfs" | "stat"): (path: string) => unknown {
    const { fs } = host;
    return { realpath: fs.realpathSync.native, statfs: fs.statfsSync, stat: fs.statSync }[name];
  }

  function statOf({ pid }: IdleProcess) {
    return parseStat(host.fs.readFileSync(`/proc/${pid}/stat`, "utf8"));
  }

  function exists({ pid }: IdleProcess): boolean {
    return errnoOfCall(() => host.fs.readFileSync(`/proc/${pid}/stat`)) === undefined;
  }

  function procs(cgroup: string): number[] {
    return host.fs.readFileSync(`${cgroup}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number);
  }

  function isPopulated(cgroup: string): boolean {
    return host.fs.readFileSync(`${cgroup}/cgroup.events`, "utf8").includes("populated 1");
  }

  async function errnoOfPromise(promise: Promise<unknown>): Promise<string | undefined> {
    return host.settled(
      promise.then(
        () => undefined,
        (thrown: unknown) => codeOf(thrown),
      ),
    );
  }
}

/** The errno with which a call fails; undefined if it does not. */
function errnoOfCall(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (thrown) {
    return codeOf(thrown);
  }
}

function codeOf(thrown: unknown): string {
  const code = thrown instanceof DriverError ? thrown.failed?.errno : errnoOf(thrown);
  return code ?? String(thrown);
}
