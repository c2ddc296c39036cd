/**
 * Ends the plugin of a local run when the run dies. An agent's plugin outlives the agent, because the agent
 * comes back for its tasks. A `run` that was killed never comes back. So the plugin of a run reads its
 * standard input. When the run dies, standard input ends. The plugin then ends too, and starts this program
 * again to remove the tasks.
 */
import { isSea } from "node:sea";

/**
 * This variable is set only for a plugin that has to end with its launcher. Its value is the run's work
 * folder, or empty.
 */
const variable = "NOMAD_DRIVER_EXEC2_RUN";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The variables that make a plugin end with its launcher. The launch adds them to the plugin's environment.
 */
export function lifelineEnvironment(work = ""): Record<string, string> {
  return { [variable]: work };
}

/** @returns the work folder, or an empty text; undefined for the plugin of an agent */
export function runOfPlugin(env: Environment): string | undefined {
  return env[variable];
}

/** Calls `work` once the launcher is gone; never in the plugin of an agent. */
export function onLauncherExit(env: Environment, work: () => void): void {
  if (runOfPlugin(env) === undefined) return;
  const gone = () => work();
  process.stdin.once("end", gone).once("error", gone).resume();
}

/** Starts a process that removes what the run has left. The new process outlives this one. */
export function startCleaning(env: Environment): void {
  const work = runOfPlugin(env);
  if (!work) return;
  const { command, args, name } = selfCommand();
  const { PATH } = env;
  // Loaded only here: every plugin loads this file at its start, and few need child_process.
  const { spawn } = process.getBuiltinModule("node:child_process");
  spawn(command, [...args, "clean", work], {
    argv0: name,
    env: PATH === undefined ? {} : { PATH },
    stdio: "ignore",
    detached: true,
  }).unref();
}

interface SelfCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** argv[0], which process lists show. */
  readonly name: string;
}

/** The command that starts this program again. */
export function selfCommand(): SelfCommand {
  const { execPath, execArgv, argv } = process;
  const [, script] = argv;
  // This link works even if the executable's file has been replaced or removed.
  if (isSea()) return { command: "/proc/self/exe", args: [], name: execPath };
  return { command: execPath, args: script === undefined ? [] : [...execArgv, script], name: execPath };
}
