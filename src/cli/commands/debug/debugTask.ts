/** `debug`: runs a program of the host in the namespaces of a running task. */
import { closeSync, fstatSync, openSync, realpathSync, type Stats } from "node:fs";
import { DriverError } from "../../../base/errors.ts";
import { codeToPassOn, endOfStatus, unknownEnd } from "../../../base/taskEnd.ts";
import { resolveCommand } from "../../../effects/command/commandLookup.ts";
import { O_DIRECTORY, O_PATH, RESOLVE_IN_ROOT } from "../../../effects/kernel/constants.ts";
import { tryOpenat2 } from "../../../effects/kernel/libc.ts";
import { runInNamespaces, toolEntries } from "../../../effects/operator/debugSession.ts";
import { findOperatedTask, recordAct } from "../../tasks/operator.ts";

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Variables of this program that a program on its terminal needs. No others go where the task is. */
const passedOn = /^(?:TERM|COLORTERM|LANG|LC_[A-Z]+|COLUMNS|LINES)$/;

export interface DebugOptions {
  readonly asUser: boolean;
  /** The folder that programs come from. */
  readonly tools: string;
  readonly stateDir: string;
}

/**
 * @returns the program's exit code, or 128 + signal
 * @throws DriverError `USER_FORBIDDEN`, `TASK_NOT_FOUND`, `TASK_NOT_RUNNING`, `COMMAND_NOT_FOUND`, `PATH_NOT_FOUND`,
 *   `LAUNCH_FAILED`, `PLUGIN_FAILED`
 */
export async function debugTask(
  task: string,
  [name = "sh", ...args]: readonly string[],
  { asUser, tools, stateDir }: DebugOptions,
): Promise<number> {
  const found = await findOperatedTask(stateDir, task, "only root may enter a task's namespaces");
  using opened = new DisposableStack();
  const root = opened.adopt(openTools(tools), closeSync);
  const command = resolveCommand(name, {
    path,
    workDir: "/",
    isVisible: () => false,
    lookAt: (at) => lookAt(root, at),
  });
  const { uid, gid, groups } = found.sandbox;
  const user = asUser ? { uid, gid, groups, capabilities: undefined } : undefined;
  const entries = toolEntries(realpathSync(tools));
  const kept = Object.entries(process.env).filter(([variable]) => passedOn.test(variable));
  const env = {
    PATH: path,
    HOME: asUser ? "/" : "/root",
    ...(Object.fromEntries(kept) as Record<string, string>),
  };
  await recordAct(found, "debug", asUser ? `${command}, as uid ${uid},` : command);
  // The program has this program's terminal, and decides what Ctrl-C means.
  const ignore = () => undefined;
  for (const signal of ["SIGINT", "SIGQUIT"] as const) process.on(signal, ignore);
  const status = await runInNamespaces({ command, name, args, env, entries, user }, found.init);
  return codeToPassOn(status === undefined ? unknownEnd : endOfStatus(status));
}

function openTools(folder: string): number {
  try {
    return openSync(folder, O_PATH | O_DIRECTORY);
  } catch (thrown) {
    throw DriverError.from(thrown, "PATH_NOT_FOUND", "the folder of tools cannot be opened");
  }
}

/** Looks a path up as the program will see it: links are followed within the tools' folder. */
function lookAt(root: number, at: string): Stats | undefined {
  const found = tryOpenat2(root, at, { flags: O_PATH, resolve: RESOLVE_IN_ROOT });
  if (typeof found !== "number") return undefined;
  try {
    return fstatSync(found);
  } finally {
    closeSync(found);
  }
}
