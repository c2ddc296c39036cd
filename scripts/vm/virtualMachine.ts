/**
 * Boots a virtual machine that runs one command. qemu(1) emulates the machine. All its processes are in a pid
 * namespace, so they end with this process.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface BootRequest {
  /** A shell's command line. */
  readonly command: string;
  /** File system image that the machine has as /dev/vda. */
  readonly disk: string;
  /** Files for the output of the kernel's console, and of the emulator. */
  readonly consoleLog: string;
  readonly emulatorLog: string;
  /** Milliseconds after which the machine is switched off. */
  readonly limitMs: number;
  /**
   * Milliseconds until the first line, which the command writes at once. A machine without one by then has hung and is
   * booted anew. Without this limit, none is taken for hung.
   */
  readonly upMs?: number;
  /** Called with each line that is written to the port `exec2.results`. */
  readonly onLine: (line: string) => void;
}

/** Why the machine ended; undefined if its command has ended. */
export type Failure = string | undefined;

/** A kind of machine. */
export interface Machine {
  /** Path of Node in the machine. */
  readonly node: string;
  /** The command that boots the machine, and ends with it. @param port path of the socket for the results */
  command(request: BootRequest, port: string): readonly string[];
}

/**
 * Boots the machine, and waits for its end. The emulator loses a timer of the second processor now and then: the
 * kernel then hangs before it runs anything. That is told on standard error, and the console's log is kept.
 */
export async function bootMachine(machine: Machine, request: BootRequest): Promise<Failure> {
  const deadline = performance.now() + request.limitMs;
  for (let hung = 0; ; hung++) {
    const limitMs = Math.max(0, deadline - performance.now());
    const failure = await bootOnce(machine, { ...request, limitMs });
    if (failure !== "hung") return failure;
    if (hung === maxHung) return `it hung ${hung + 1} times before it ran the command`;
    const kept = `${request.consoleLog}.hung${hung + 1}`;
    renameSync(request.consoleLog, kept);
    console.error(`!!! The emulated machine hung before it ran the command, and is booted anew: ${kept}`);
    console.error(lastLines(kept, 5));
  }
}

/** How often a machine that hangs is booted anew. */
const maxHung = 2;

async function bootOnce(machine: Machine, request: BootRequest): Promise<Failure | "hung"> {
  // The path is short, because the folder will have sockets. The folder also gets the files that a killed
  // virtme-run leaves behind.
  const temporary = mkdtempSync(join(tmpdir(), "exec2-vm-"));
  const log = openSync(request.emulatorLog, "w");
  let isUp = request.upMs === undefined;
  const onLine = (line: string) => {
    isUp = true;
    request.onLine(line);
  };
  const server = createServer((socket) => followLines(socket, onLine));
  try {
    const port = join(temporary, "results");
    await once(server.listen(port), "listening");
    const emulator = spawn("setpriv", [...confined, ...machine.command(request, port)], {
      stdio: ["ignore", log, log],
      env: { ...process.env, TMPDIR: temporary },
    });
    const ended = once(emulator, "exit");
    const off = () => switchOff(emulator.pid as number);
    const limit = setTimeout(off, request.limitMs);
    let hung = false;
    const upLimit = setTimeout(() => {
      if (isUp) return;
      hung = true;
      off();
    }, request.upMs);
    const [code, signal] = await ended;
    clearTimeout(limit);
    clearTimeout(upLimit);
    if (hung) return "hung";
    if (signal === "SIGKILL")
      return `the command had not ended after ${Math.round(request.limitMs / 1000)} s`;
    return code === 0 ? undefined : `the emulator ended with ${signal ?? `exit code ${code}`}`;
  } finally {
    server.close();
    closeSync(log);
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Makes the image of a file system. @param from a folder whose files it gets; without it, the file system is empty */
export function makeDisk(
  path: string,
  { mebibytes = 256, from }: { readonly mebibytes?: number; readonly from?: string } = {},
): void {
  writeFileSync(path, "");
  truncateSync(path, mebibytes * 2 ** 20);
  execFileSync("mkfs.ext4", ["-q", "-F", ...(from === undefined ? [] : ["-d", from]), path]);
}

/** The last lines of a log, to explain a failure. */
export function lastLines(path: string, count = 40): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-count).join("\n");
}

/** A command that makes the machine end with this process, and run at a lower priority. */
const confined = [
  ...["--pdeathsig", "KILL", "--"],
  ...["unshare", "--pid", "--mount-proc", "--kill-child=KILL", "--"],
  ...["nice", "-n", "10"],
];

/** Folders that the machine may write to. The changes stay in its memory. */
const writable = ["/etc", "/lib", "/opt", "/srv", "/usr", "/var", "/tmp"];

const kernelOptions = [
  "loglevel=4",
  // Otherwise the kernel panics if its timer seems to stand still, as it does on a busy host.
  "no_timer_check",
];

/**
 * A machine with this one's root file system, read-only; changes stay in its memory. virtme-run(1) makes its init
 * and initramfs.
 * @param kernel path of an image; its modules are in `../lib/modules` beside the image's folder
 */
export function ownMachine(kernel = process.env.VM_KERNEL ?? newestKernel()): Machine {
  return {
    node: process.execPath,
    command: (request, port) => ["virtme-run", ...machineOptions(kernel, request, port)],
  };
}

/**
 * A second NUMA node with the second core, and memory besides that of virtme-run's options: enough for all that runs on
 * that core, whose memory the kernel takes from here and cannot take back.
 */
const secondNode = [
  ...["-m", "2560M", "-object", "memory-backend-memfd,id=mem1,size=512M,share=on"],
  ...["-numa", "node,nodeid=1,memdev=mem1"],
  ...[0, 1].flatMap((core) => ["-numa", `cpu,node-id=${core},socket-id=0,core-id=${core}`]),
];

function machineOptions(kernel: string, { command, disk, consoleLog }: BootRequest, port: string): string[] {
  const qemu = [
    // virtme-run discards the output of the console.
    ...["-set", `chardev.console.path=${qemuText(consoleLog)}`],
    ...["-drive", `if=virtio,format=raw,file=${qemuText(disk)}`],
    ...["-chardev", `socket,id=results,path=${port}`],
    ...["-device", "virtserialport,name=exec2.results,chardev=results"],
    ...secondNode,
  ];
  return [
    ...["--kimg", kernel, "--mods", "auto", "--disable-kvm", "--cpus", "2", "--memory", "2G"],
    ...writable.flatMap((folder) => ["--overlay-rwdir", folder]),
    ...["--cwd", "/", "--script-sh", command],
    ...kernelOptions.flatMap((option) => ["--kopt", option]),
    ...qemu.map((option) => `--qemu-opt=${option}`),
  ];
}

/**
 * Kills the first process of the machine's pid namespace, and thereby all others. That
 * process's parent, outside of the namespace, is left alive to reap it: not every
 * container's init reaps orphans.
 */
function switchOff(outside: number): void {
  const inside = Number(readFileSync(`/proc/${outside}/task/${outside}/children`, "utf8"));
  process.kill(inside > 0 ? inside : outside, "SIGKILL");
}

/** Escapes commas, which would end the value. */
export function qemuText(value: string): string {
  return value.replaceAll(",", ",,");
}

/** Debian's kernel for virtual machines: small, and with all tested features built in. */
function newestKernel(): string {
  const names = readdirSync("/boot").filter((name) => /^vmlinuz-.*-cloud-amd64$/.test(name));
  const newest = names.sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).at(-1);
  if (newest === undefined) throw new Error("there is no kernel /boot/vmlinuz-*-cloud-amd64");
  return join("/boot", newest);
}

function followLines(socket: Socket, onLine: (line: string) => void): void {
  // If the machine ends suddenly, the emulator's exit reports that.
  socket.on("error", () => socket.destroy());
  createInterface({ input: socket }).on("line", onLine);
}
