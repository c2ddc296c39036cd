/** The environment that a task runs with, made of the one that the agent sends. Pure. */
import { DriverError } from "../errors.ts";
import type { TaskFolders } from "./taskFolders.ts";

/** Where commands are looked for in a task that has no `PATH`: the unveiled folders of programs. */
export const defaultPath = "/usr/local/bin:/usr/bin:/bin";

/**
 * Adds what belongs to the task (`USER`, `HOME`, `TMPDIR`), whatever the agent's
 * own were, and leaves out what would reach from the agent's session or its
 * dynamic linker into the task. Empty values stay.
 * @throws DriverError `CONFIG_INVALID` naming a variable that no process can be given; its value stays untold
 */
export function taskEnvironment(
  env: Readonly<Record<string, string>>,
  user: { readonly name: string; readonly home: string },
  folders: Pick<TaskFolders, "tmpDir">,
): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => !isDropped(name));
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
