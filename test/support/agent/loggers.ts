/** The processes that write tasks' log files for the driver, seen from outside. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Pids of the loggers that write to a log folder, `…/alloc/logs`. */
export function loggersIn(folder: string): number[] {
  return readdirSync("/proc").flatMap((name) =>
    /^\d+$/.test(name) && writesTo(name, folder) ? [Number(name)] : [],
  );
}

/** Kills the loggers that write to a log folder. */
export function killLoggers(folder: string): void {
  for (const pid of loggersIn(folder)) killIfAlive(pid);
}

/** Kills a process, unless it has ended meanwhile. */
export function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Those of some processes that take tasks' output for the driver. */
export function loggersOf(processes: readonly number[]): number[] {
  return processes.filter((pid) => nameOf(pid) === "exec2-log\n");
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8");
  } catch {
    return "";
  }
}

function writesTo(pid: string, folder: string): boolean {
  try {
    // Others have the agent's pipes open, which are in the same folder.
    if (readFileSync(`/proc/${pid}/comm`, "utf8") !== "exec2-log\n") return false;
    const paths = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    return paths.some((path) => path.startsWith(`${folder}/`));
  } catch {
    // The process has ended.
    return false;
  }
}
