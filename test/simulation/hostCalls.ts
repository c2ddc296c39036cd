/**
 * The host calls of a simulated plugin process: files, FIFOs, cgroups, /proc and pidfds of the simulated
 * kernel. Each call may be the one at which the plugin dies, or that fails as its man page says.
 */
import { EventEmitter } from "node:events";
import { constants } from "node:fs";
import { DriverError } from "../../src/base/errors.ts";
import { CGROUP2_SUPER_MAGIC } from "../../src/effects/kernel/constants.ts";
import { errno, ReadEnd } from "./descriptors.ts";
import { Cgroup, Fifo, File, type Kernel, Process, ReleasePipe } from "./kernel.ts";
import type { PluginProcess } from "./pluginProcess.ts";
import { NotSimulated, simulated } from "./simulated.ts";

/** Defines the host calls. @param current the plugin process whose step runs */
export function installHostCalls(kernel: Kernel, current: () => PluginProcess): void {
  const { files, folders, cgroups } = kernel;
  const at = (call: string, path = "") => current().enter(call, path);

  const fs: Record<string, (...given: never[]) => unknown> = {
    readFileSync(path: string, options?: unknown) {
      at("read file", path);
      const content = contentOf(path);
      return options === undefined ? Buffer.from(content) : content.toString();
    },
    openSync(path: string, flags: number) {
      at("open", path);
      const { fds } = current();
      if (path === "/dev/null") return fds.add("other");
      const node = isOfProcess(path) ? fifoOf(path) : (files.get(path) ?? cgroups.get(path));
      if (node === undefined) throw missing("open", path);
      const isForWriting = (flags & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
      if (node instanceof Fifo && isForWriting) throw new NotSimulated("FIFO that a plugin writes to");
      return fds.add(node);
    },
    closeSync(number: number) {
      // Not a point of its own: close(2) has no effect that anyone but a pipe's reader sees.
      if (current().life.dead) return;
      current().fds.close(number);
    },
    readSync(number: number) {
      at("read");
      const node = current().fds.get(number);
      if (!(node instanceof Fifo)) throw errno("EINVAL", "read");
      if (node.writers.size > 0) throw errno("EAGAIN", "read");
      return 0;
    },
    writeSync(number: number, data: string | Buffer) {
      at("write");
      const node = current().fds.get(number);
      if (node === "other") return data.length;
      if (node instanceof File) {
        // The only write to a file: a spare folder's status, from the beginning on.
        node.content = Buffer.concat([Buffer.from(data as Buffer), node.content.subarray(data.length)]);
        node.mtimeMs = kernel.scheduler.now;
        return data.length;
      }
      if (!(node instanceof ReleasePipe)) throw errno("EINVAL", "write");
      if (node.readers.size === 0) throw errno("EPIPE", "write");
      node.bytes += 1;
      kernel.changed(node);
      return 1;
    },
    fstatSync(number: number) {
      const node = current().fds.get(number);
      return {
        isFIFO: () => node instanceof Fifo,
        ...(node instanceof Cgroup && { ino: kernel.idOf(node) }),
      };
    },
    statSync(path: string) {
      at("stat", path);
      if (cgroups.has(path)) return { nlink: 2 + kernel.childrenOf(path).length };
      const file = files.get(path);
      if (file === undefined) throw missing("stat", path);
      if (!(file instanceof File)) throw new NotSimulated("status of a FIFO");
      return { mtimeMs: file.mtimeMs };
    },
    existsSync(path: string) {
      at("stat", path);
      return files.has(path) || folders.has(path) || cgroups.has(path);
    },
    statfsSync(path: string) {
      at("statfs", path);
      if (path === cgroupRoot || cgroups.has(path)) return { type: CGROUP2_SUPER_MAGIC };
      throw errno("ENOENT", "statfs", path);
    },
    mkdirSync(path: string) {
      at("mkdir", path);
      if (folders.has(path) || files.has(path)) throw errno("EEXIST", "mkdir", path);
      if (!folders.has(parentOf(path))) throw errno("ENOENT", "mkdir", path);
      folders.add(path);
    },
    rmSync(path: string, { force = false }: { readonly force?: boolean } = {}) {
      at("rm", path);
      if (!force && !folders.has(path) && !files.has(path)) throw missing("rm", path);
      remove(path);
    },
    renameSync(from: string, to: string) {
      at("rename", from);
      if (!folders.has(from) || !folders.has(parentOf(to))) throw errno("ENOENT", "rename", from);
      if (entriesOf(to).length > 0) throw errno("ENOTEMPTY", "rename", to);
      if (foldersIn(from).length > 0) throw new NotSimulated("rename of a folder with folders");
      folders.add(to);
      for (const name of entriesOf(from)) {
        const node = files.get(`${from}/${name}`) as File | Fifo;
        files.set(`${to}/${name}`, node);
        if (node instanceof Fifo) node.path = `${to}/${name}`;
      }
      remove(from);
    },
    readdirSync(path: string, options?: { readonly withFileTypes?: boolean }) {
      at("readdir", path);
      const isCgroup = cgroups.has(path);
      if (files.has(path)) throw errno("ENOTDIR", "scandir", path);
      if (!folders.has(path) && !isCgroup) throw missing("scandir", path);
      const names = isCgroup
        ? kernel.childrenOf(path)
        : [...new Set([...entriesOf(path), ...foldersIn(path)])].sort();
      if (!options?.withFileTypes) return names;
      if (isCgroup) return names.map((name) => ({ name, isDirectory: () => true }));
      return names.map((name) => ({ name, isDirectory: () => folders.has(`${path}/${name}`) }));
    },
    readlinkSync(path: string) {
      at("readlink", path);
      const [, pid] = /^\/proc\/(\d+)\/ns\/pid$/.exec(path) ?? [];
      const namespace = kernel.namespaceOf(Number(pid));
      if (namespace !== undefined) return namespace;
      const fifo = fifoOf(path);
      if (fifo === undefined) throw errno("ENOENT", "readlink", path);
      return files.get(fifo.path) === fifo ? fifo.path : `${fifo.path} (deleted)`;
    },
    watch(path: string, _options: unknown, listener?: () => void) {
      at("inotify_add_watch", path);
      const file = files.get(path);
      const watched = file instanceof File ? file : cgroups.get(path.slice(0, path.lastIndexOf("/")));
      if (watched === undefined) throw errno("ENOENT", "watch", path);
      const watcher = new FileWatcher(watched, current());
      if (listener !== undefined) watcher.on("change", listener);
      return watcher;
    },
  };
  for (const [name, call] of Object.entries(fs)) simulated.functions.set(`fs#${name}`, call);
  const realpath = Object.assign((path: string) => path, {
    native: (path: string) => {
      at("realpath", path);
      if (!cgroups.has(path)) throw errno("ENOENT", "realpath", path);
      return path;
    },
  });
  simulated.functions.set("fs#realpathSync", realpath as never);

  const promises = {
    async writeFile(path: string, content: string) {
      await pause("write");
      at("write file", path);
      const [, folder = "", file] = /^(.*)\/([^/]+)$/.exec(path) ?? [];
      const cgroup = cgroups.get(folder);
      if (cgroup === undefined) throw errno("ENOENT", "open", path);
      if (file === "cgroup.kill" && content === "1") kernel.killCgroup(folder, true);
      if (file === "cgroup.freeze") {
        cgroup.frozen = content === "1";
        kernel.cgroupChanged(cgroup);
      }
    },
    async rmdir(path: string) {
      await pause("rmdir");
      at("rmdir", path);
      const cgroup = cgroups.get(path);
      if (cgroup === undefined) throw errno("ENOENT", "rmdir", path);
      if (kernel.isPopulated(path) || kernel.childrenOf(path).length > 0) throw errno("EBUSY", "rmdir", path);
      cgroups.delete(path);
    },
  };
  for (const [name, call] of Object.entries(promises))
    simulated.functions.set(`fs/promises#${name}`, call as never);

  /** A call in a thread of libuv: it ends in a later step. */
  function pause(what: string): Promise<void> {
    const { scheduler } = kernel;
    const { life } = current();
    return new Promise((resolve) => {
      scheduler.in(scheduler.latency(), life, `${what} in a thread`, resolve);
    });
  }

  const calls: Record<string, (...given: never[]) => unknown> = {
    pidfdOpen(pid: number) {
      at("pidfd_open", String(pid));
      const process = kernel.get(pid);
      if (process === undefined) throw kernelError("pidfd_open", "ESRCH");
      return current().fds.add(process);
    },
    setxattr(path: string, name: string, value: string) {
      at("setxattr", path);
      const cgroup = cgroups.get(path);
      if (cgroup === undefined) throw kernelError("setxattr", "ENOENT", path);
      cgroup.attributes.set(name, value);
    },
    getxattr(path: string, name: string) {
      at("getxattr", path);
      return cgroups.get(path)?.attributes.get(name);
    },
    pidfdSendSignal(number: number, signal: number) {
      const process = current().fds.get(number);
      if (!(process instanceof Process)) throw errno("EBADF", "pidfd_send_signal");
      at(`signal ${signal}`, String(process.pid));
      if (!process.exists) throw kernelError("pidfd_send_signal", "ESRCH");
      kernel.signal(process, signal, true);
    },
    mkfifo(path: string) {
      at("mkfifo", path);
      if (files.has(path)) throw kernelError("mkfifo", "EEXIST", path);
      if (!folders.has(parentOf(path))) throw kernelError("mkfifo", "ENOENT", path);
      files.set(path, new Fifo(path));
    },
    pipe2() {
      at("pipe2");
      const pipe = new ReleasePipe();
      return { read: current().fds.add(new ReadEnd(pipe)), write: current().fds.add(pipe) };
    },
  };
  for (const [name, call] of Object.entries(calls))
    simulated.functions.set(`effects/kernel/libc.ts#${name}`, call);

  simulated.functions.set(
    "net#Socket",
    class extends FifoSocket {
      constructor({ fd }: { readonly fd: number }) {
        super(fd, current());
      }
    } as never,
  );
  simulated.functions.set("os#uptime", () => (kernel.scheduler.now - kernel.bootedAt) / 1_000);
  simulated.functions.set("os#release", () => "6.12.0");
  simulated.functions.set("os#arch", () => "x64");

  function contentOf(path: string): Buffer {
    const [, pid] = /^\/proc\/(\d+)\/stat$/.exec(path) ?? [];
    if (pid !== undefined) {
      const process = kernel.get(Number(pid));
      if (process !== undefined) return Buffer.from(process.stat);
    }
    const [, folder = "", name = ""] = /^(.*)\/([^/]+)$/.exec(path) ?? [];
    const cgroup = cgroups.get(folder);
    const text = cgroup && cgroupFile(cgroup, name, kernel.isPopulated(folder));
    if (text !== undefined) return Buffer.from(text);
    const file = files.get(path);
    if (file instanceof File) return file.content;
    if (folders.has(path)) throw errno("EISDIR", "read", path);
    throw missing("open", path);
  }

  function isOfProcess(path: string): boolean {
    return path.startsWith("/proc/");
  }

  /** What a process has open, by its path in /proc: proc_pid_fd(5). */
  function fifoOf(path: string): Fifo | undefined {
    const [, pid, number] = /^\/proc\/(\d+)\/fd\/(\d+)$/.exec(path) ?? [];
    return kernel.get(Number(pid))?.files.get(Number(number));
  }

  function missing(call: string, path: string): NodeJS.ErrnoException {
    return errno(files.has(parentOf(path)) ? "ENOTDIR" : "ENOENT", call, path);
  }

  function entriesOf(path: string): string[] {
    const found: string[] = [];
    for (const each of files.keys())
      if (each.startsWith(`${path}/`) && !each.slice(path.length + 1).includes("/"))
        found.push(each.slice(path.length + 1));
    return found;
  }

  function foldersIn(path: string): string[] {
    return [...folders]
      .filter((each) => each.startsWith(`${path}/`) && !each.slice(path.length + 1).includes("/"))
      .map((each) => each.slice(path.length + 1));
  }

  function remove(path: string): void {
    folders.delete(path);
    for (const folder of foldersIn(path)) remove(`${path}/${folder}`);
    for (const name of entriesOf(path)) files.delete(`${path}/${name}`);
    files.delete(path);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

const cgroupRoot = "/sys/fs/cgroup/nomad.slice";

function cgroupFile(
  { processes, oomKills, frozen }: Cgroup,
  name: string,
  isPopulated: boolean,
): string | undefined {
  switch (name) {
    case "cgroup.procs":
      return [...processes].map(({ pid }) => `${pid}\n`).join("");
    case "cgroup.events":
      return `populated ${isPopulated ? 1 : 0}\nfrozen ${frozen ? 1 : 0}\n`;
    case "memory.events":
      return `low 0\nhigh 0\nmax 0\noom ${oomKills}\noom_kill ${oomKills}\n`;
    default:
      return undefined;
  }
}

function kernelError(call: string, code: string, path?: string): DriverError {
  return new DriverError("KERNEL_CALL_FAILED", `${call} failed`, { failed: { call, errno: code, path } });
}

/** A watch of a file or of a cgroup's file. The event comes in a later step. */
class FileWatcher extends EventEmitter {
  readonly #watched: File | Cgroup;
  readonly #changed: () => void;

  constructor(watched: File | Cgroup, { life, scheduler }: PluginProcess) {
    super();
    this.#watched = watched;
    const what = watched instanceof File ? "file changed" : "cgroup changed";
    this.#changed = () => void scheduler.in(scheduler.latency(), life, what, () => this.emit("change"));
    watched.watchers.add(this.#changed);
  }

  close(): void {
    this.removeAllListeners();
    this.#watched.watchers.delete(this.#changed);
  }
}

/** A socket that reads a FIFO to its end. */
class FifoSocket extends EventEmitter {
  readonly #fd: number;
  readonly #plugin: PluginProcess;
  readonly #fifo: Fifo;
  readonly #closed: () => void;
  #isOver = false;

  constructor(fd: number, plugin: PluginProcess) {
    super();
    this.#fd = fd;
    this.#plugin = plugin;
    this.#fifo = plugin.fds.get(fd) as Fifo;
    const { scheduler, life } = plugin;
    this.#closed = () =>
      void scheduler.in(scheduler.latency(), life, "a FIFO ended", () => {
        if (this.#isOver) return;
        this.destroy();
        this.emit("end");
      });
    this.#fifo.watchers.add(this.#closed);
  }

  resume(): void {
    if (this.#fifo.writers.size === 0) this.#closed();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#fifo.watchers.delete(this.#closed);
    this.#plugin.fds.close(this.#fd);
  }
}
