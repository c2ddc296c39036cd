/** Builds a task's environment from the variables that the agent sends. Pure. */
import { DriverError } from "../../base/errors.ts";
import { matchesGlob } from "../../base/globs.ts";

/** The `PATH` of a task for which the agent sends none: the program folders that are unveiled by default. */
export const defaultPath = "/usr/local/bin:/usr/bin:/bin";

export interface EnvironmentRules {
  /** Names of variables that no task gets; `*` matches any characters. */
  readonly deniedEnvvars: readonly string[];
  /** The task's share of cores (see `cpuShare`); undefined without a limit. */
  readonly cores: number | undefined;
}

/**
 * Sets the task's own `USER`, `HOME` and `TMPDIR`, and removes variables of the agent's session and of the
 * dynamic linker. Keeps empty values. Sets `GOMAXPROCS` to the task's share of the cores, since not all Go
 * programs read cgroups.
 * @throws DriverError `CONFIG_INVALID` naming a variable that execve(2) cannot pass; the error omits the
 *   value
 * @param tmpDir the task's `TMPDIR`
 */
export function taskEnvironment(
  env: Readonly<Record<string, string>>,
  user: { readonly name: string; readonly home: string },
  tmpDir: string,
  { deniedEnvvars, cores }: EnvironmentRules,
): Record<string, string> {
  const threads: [string, string][] =
    cores === undefined ? [] : [["GOMAXPROCS", String(Math.max(1, Math.ceil(cores)))]];
  const kept = [...threads, ...Object.entries(env)].filter(
    ([name]) => !isDropped(name) && !deniedEnvvars.some((glob) => matchesGlob(glob, name)),
  );
  for (const [name, value] of kept) checkVariable(name, value);
  return Object.fromEntries([
    ["PATH", defaultPath],
    ...kept,
    ["USER", user.name],
    ["HOME", user.home],
    ["TMPDIR", tmpDir],
  ]);
}

const dropped: ReadonlySet<string> = new Set(["LS_COLORS", "XAUTHORITY", "DISPLAY", "COLORTERM", "MAIL"]);

function isDropped(name: string): boolean {
  return name.startsWith("LD_") || dropped.has(name);
}

/**
 * Refuses a variable that execve(2) cannot pass. execve takes strings `NAME=value`, and each string ends at
 * the first NUL byte.
 */
function checkVariable(name: string, value: string): void {
  if (name === "") throw unusable("an environment variable has no name");
  if (name.includes("=")) {
    // The text after "=" may be part of a value.
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
