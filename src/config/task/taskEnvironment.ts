/** The environment that a task runs with, made of the one that the agent sends. Pure. */
import { DriverError } from "../../errors.ts";
import type { TaskFolders } from "./taskFolders.ts";

/** Where commands are looked for in a task that has no `PATH`: the unveiled folders of programs. */
export const defaultPath = "/usr/local/bin:/usr/bin:/bin";

export interface EnvironmentRules {
  /** Names that no task is given; `*` stands for any characters. */
  readonly deniedEnvvars: readonly string[];
  /** Cores that the task may use, see `cpuShare`; undefined: all. */
  readonly cores: number | undefined;
}

/**
 * Adds what belongs to the task (`USER`, `HOME`, `TMPDIR`), whatever the agent's
 * own were, and leaves out what would reach from the agent's session or its
 * dynamic linker into the task. Empty values stay. Go programs that know no
 * cgroups are told by `GOMAXPROCS` how many threads are worth their while.
 * @throws DriverError `CONFIG_INVALID` naming a variable that no process can be given; its value stays untold
 */
export function taskEnvironment(
  env: Readonly<Record<string, string>>,
  user: { readonly name: string; readonly home: string },
  folders: Pick<TaskFolders, "tmpDir">,
  { deniedEnvvars, cores }: EnvironmentRules,
): Record<string, string> {
  const threads: [string, string][] =
    cores === undefined ? [] : [["GOMAXPROCS", String(Math.max(1, Math.ceil(cores)))]];
  const denied = deniedEnvvars.map(patternOf);
  const kept = [...threads, ...Object.entries(env)].filter(
    ([name]) => !isDropped(name) && !denied.some((pattern) => pattern.test(name)),
  );
  for (const [name, value] of kept) checkVariable(name, value);
  return Object.fromEntries([
    ["PATH", defaultPath],
    ...kept,
    ["USER", user.name],
    ["HOME", user.home],
    ["TMPDIR", folders.tmpDir],
  ]);
}

const dropped: ReadonlySet<string> = new Set(["LS_COLORS", "XAUTHORITY", "DISPLAY", "COLORTERM", "MAIL"]);

function isDropped(name: string): boolean {
  return name.startsWith("LD_") || dropped.has(name);
}

function patternOf(glob: string): RegExp {
  const literal = (text: string) => text.replace(/[\\^$.+?()[\]{}|]/g, "\\$&");
  return new RegExp(`^${glob.split("*").map(literal).join(".*")}$`, "s");
}

/** `execve` takes strings `NAME=value` that end at the first NUL. */
function checkVariable(name: string, value: string): void {
  if (name === "") throw unusable("an environment variable has no name");
  if (name.includes("=")) {
    // What follows the sign may be part of a value.
    throw unusable(
      `environment variable ${JSON.stringify(name.slice(0, name.indexOf("=")))}… has "=" in its name`,
    );
  }
  if (name.includes("\0") || value.includes("\0")) {
    throw unusable(`environment variable ${JSON.stringify(name)} holds a NUL byte`);
  }
}

function unusable(summary: string): DriverError {
  return new DriverError("CONFIG_INVALID", summary, { hint: "Correct the job's env block or template" });
}
