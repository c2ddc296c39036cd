/** The plugin's process and those of tasks, found in `/proc` of the run's own pid namespace. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { launchEnvironment } from "../../../src/grpc/handshake.ts";

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks from boot to its start. With the pid, it names a process for good. */
  readonly startTime: string;
  readonly command: string;
  readonly environment: string;
}

function processes(): Process[] {
  return readdirSync("/proc")
    .map(Number)
    .flatMap((pid) => (pid > 0 ? readProcess(pid) : []));
}

/** @returns nothing for a process that has just ended */
function readProcess(pid: number): Process[] {
  const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8");
  try {
    const stat = read("stat");
    // The name, in parentheses, may contain anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, parent = "", startTime = ""] = [fields[0], fields[1], fields[19]];
    if (state === "Z") return [];
    const environment = `\0${read("environ")}`;
    return [{ pid, parent: Number(parent), startTime, command: read("cmdline"), environment }];
  } catch {
    return [];
  }
}

const launched = `\0NOMAD_PLUGIN_MAGIC_COOKIE=${launchEnvironment.NOMAD_PLUGIN_MAGIC_COOKIE}\0`;

/**
 * The plugin, which may have outlived the agent that launched it.
 * @param executable the driver's, without links
 * @returns undefined while there is none
 */
export function pluginOf(executable: string): number | undefined {
  const all = processes().filter(
    ({ pid, environment }) => environment.includes(launched) && executableOf(pid) === executable,
  );
  const pids = new Set(all.map(({ pid }) => pid));
  // What the plugin itself starts from its executable is no plugin.
  return all.find(({ parent }) => !pids.has(parent))?.pid;
}

/** The processes of an allocation's tasks that run a shell, as texts that name them for good. */
export function shellsOf(allocation: string): { readonly pid: number; readonly identity: string }[] {
  return processes()
    .filter(({ environment }) => environment.includes(`\0NOMAD_ALLOC_ID=${allocation}\0`))
    .filter(({ command }) => /^(\/\S*\/)?sh\0/.test(command))
    .map(({ pid, startTime }) => ({ pid, identity: `${pid} since ${startTime}` }));
}

function executableOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`);
  } catch {
    return "";
  }
}
