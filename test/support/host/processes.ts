/** Processes and descriptors from `/proc`, seen from outside of any sandbox. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { waitpid } from "../../../src/effects/kernel/libc.ts";
import { posixSpawn } from "../../../src/effects/kernel/posixSpawn.ts";

/** Pids of all processes, including zombies, whose first argument or name contains a text. */
export function processesNamed(text: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter(
      (pid) => pid > 0 && `${read(`/proc/${pid}/cmdline`)}\n${read(`/proc/${pid}/comm`)}`.includes(text),
    );
}

/** Zombies that this process has not reaped. */
export function ownZombies(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter(
      (pid) => pid > 0 && new RegExp(`^\\d+ \\(.*\\) Z ${process.pid} `).test(read(`/proc/${pid}/stat`)),
    );
}

/** The open descriptors of this process, sorted. */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd")
    .flatMap((fd) => {
      try {
        return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
      } catch {
        // The descriptor of the folder itself, which is already closed.
        return [];
      }
    })
    .sort();
}

/**
 * The fields of `/proc/<pid>/status` by name, such as `NoNewPrivs`: proc_pid_status(5). White space between
 * values is replaced by one space.
 */
export function procStatus(pid: number): Readonly<Record<string, string>> {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").trimEnd().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [
        line.slice(0, colon),
        line
          .slice(colon + 1)
          .trim()
          .replaceAll(/\s+/g, " "),
      ];
    }),
  );
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The pid of a process that was just reaped. */
export function unusedPid(): number {
  const pid = posixSpawn("/bin/true", ["true"], [], []);
  waitpid(pid, 0);
  return pid;
}
