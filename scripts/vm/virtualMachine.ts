/**
 * Boots a virtual machine on this machine's own root file system, which it sees
 * read-only with a layer of memory above it, and with a disk that is its own.
 * It runs one command and is gone: virtme-run(1) makes init and initramfs,
 * qemu(1) emulates, and a pid namespace sees to it that nothing of them is left
 * behind, whatever happens to this process.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface BootRequest {
  /** A shell's command line. */
  readonly command: string;
  /** File system image that the machine has as /dev/vda. */
  readonly disk: string;
  /** Files for what the kernel's console says, and the emulator. */
  readonly consoleLog: string;
  readonly emulatorLog: string;
  /** Milliseconds until it is switched off. */
  readonly limitMs: number;
  /** Takes each line that is written to the port `exec2.results`. */
  readonly onLine: (line: string) => void;
}

/** How the machine came to its end; undefined: by itself. */
export type Failure = string | undefined;

export async function bootMachine(request: BootRequest): Promise<Failure> {
  // Short, since it holds sockets; also for what virtme-run leaves behind when it is killed.
  const temporary = mkdtempSync(join(tmpdir(), "exec2-vm-"));
  const log = openSync(request.emulatorLog, "w");
  const server = createServer((socket) => followLines(socket, request.onLine));
  try {
    const port = join(temporary, "results");
    await once(server.listen(port), "listening");
    const machine = spawn("setpriv", [...confined, "virtme-run", ...machineOptions(request, port)], {
      stdio: ["ignore", log, log],
      env: { ...process.env, TMPDIR: temporary },
    });
    const ended = once(machine, "exit");
    const limit = setTimeout(() => switchOff(machine.pid as number), request.limitMs);
    const [code, signal] = await ended;
    clearTimeout(limit);
    if (signal === "SIGKILL") return `it was not done after ${Math.round(request.limitMs / 1000)} s`;
    return code === 0 ? undefined : `virtme-run ended with ${signal ?? `exit code ${code}`}`;
  } finally {
    server.close();
    closeSync(log);
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** The last lines of a log, for a person who asks what went wrong. */
export function lastLines(path: string, count = 40): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-count).join("\n");
}

/** Dies with this process, and all that it started dies with it; gives way to what else runs here. */
const confined = [
  ...["--pdeathsig", "KILL", "--"],
  ...["unshare", "--pid", "--mount-proc", "--kill-child=KILL", "--"],
  ...["nice", "-n", "10"],
];

/** What the machine may write to is in memory: it must not change the machine that it runs on. */
const writable = ["/etc", "/lib", "/opt", "/srv", "/usr", "/var", "/tmp"];

const kernelOptions = [
  "loglevel=4",
  // The kernel panics where its timer seems to stand still, as it does while this machine is busy elsewhere.
  "no_timer_check",
];

function machineOptions({ command, disk, consoleLog }: BootRequest, port: string): string[] {
  const qemu = [
    // virtme-run throws away what its console says.
    ...["-set", `chardev.console.path=${qemuText(consoleLog)}`],
    ...["-drive", `if=virtio,format=raw,file=${qemuText(disk)}`],
    ...["-chardev", `socket,id=results,path=${port}`],
    ...["-device", "virtserialport,name=exec2.results,chardev=results"],
  ];
  return [
    ...["--kimg", newestKernel(), "--mods", "auto", "--disable-kvm", "--cpus", "2", "--memory", "2G"],
    ...writable.flatMap((folder) => ["--overlay-rwdir", folder]),
    ...["--cwd", "/", "--script-sh", command],
    ...kernelOptions.flatMap((option) => ["--kopt", option]),
    ...qemu.map((option) => `--qemu-opt=${option}`),
  ];
}

/**
 * Kills the first process of the machine's pid namespace, and so all of them. The
 * one outside is left to reap it: not every container's init does that for others.
 */
function switchOff(outside: number): void {
  const inside = Number(readFileSync(`/proc/${outside}/task/${outside}/children`, "utf8"));
  process.kill(inside > 0 ? inside : outside, "SIGKILL");
}

/** A comma would end the value. */
function qemuText(value: string): string {
  return value.replaceAll(",", ",,");
}

/** Debian's kernel for virtual machines: small, and with all that is tested built in. */
function newestKernel(): string {
  const names = readdirSync("/boot").filter((name) => /^vmlinuz-.*-cloud-amd64$/.test(name));
  const newest = names.sort((a, b) => a.localeCompare(b, undefined, { numeric: true })).at(-1);
  if (newest === undefined) throw new Error("there is no kernel /boot/vmlinuz-*-cloud-amd64");
  return join("/boot", newest);
}

function followLines(socket: Socket, onLine: (line: string) => void): void {
  // The machine's sudden end is told of by the emulator's.
  socket.on("error", () => socket.destroy());
  createInterface({ input: socket }).on("line", onLine);
}
