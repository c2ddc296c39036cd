/**
 * The bond between a plugin and the `run` that launched it. An agent's plugin outlives its agent, which
 * comes back for its tasks. Nobody comes back for those of a `run` that was killed: its plugin reads
 * standard input, finds its end when the run is gone, ends too, and has the tasks removed.
 */
import { spawn } from "node:child_process";
import { selfCommand } from "./selfCommand.ts";

/** Set for a plugin whose launcher holds its standard input; the value is the work folder, or empty. */
const variable = "NOMAD_DRIVER_EXEC2_RUN";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a launch adds to the environment of a plugin that is to end with its launcher. */
export function lifelineEnvironment(work = ""): Record<string, string> {
  return { [variable]: work };
}

/** @returns the work folder, or an empty text; undefined for the plugin of an agent */
export function runOfPlugin(env: Environment): string | undefined {
  return env[variable];
}

/** Calls back once the launcher is gone. Never does for the plugin of an agent. */
export function whenLauncherGone(env: Environment, work: () => void): void {
  if (runOfPlugin(env) === undefined) return;
  const gone = () => work();
  process.stdin.once("end", gone).once("error", gone).resume();
}

/** Starts the process that removes what the run has left. It outlives this one. */
export function startCleaning(env: Environment): void {
  const work = runOfPlugin(env);
  if (!work) return;
  const { command, args } = selfCommand();
  const { PATH } = env;
  spawn(command, [...args, "clean", work], {
    env: PATH === undefined ? {} : { PATH },
    stdio: "ignore",
    detached: true,
  }).unref();
}
