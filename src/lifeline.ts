/**
 * Ends a plugin with the `run` that launched it. The plugin of an agent outlives the agent, which comes
 * back for its tasks; a `run` that was killed never does. So the plugin of a run reads standard input.
 * Once the run is gone that ends, and the plugin ends too and has the tasks removed.
 */
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
export function onLauncherExit(env: Environment, work: () => void): void {
  if (runOfPlugin(env) === undefined) return;
  const gone = () => work();
  process.stdin.once("end", gone).once("error", gone).resume();
}

/** Starts a process that removes what the run has left. That process outlives this one. */
export function startCleaning(env: Environment): void {
  const work = runOfPlugin(env);
  if (!work) return;
  const { command, args, name } = selfCommand();
  const { PATH } = env;
  // Loaded here, since the start of a plugin loads this file.
  const { spawn } = process.getBuiltinModule("node:child_process");
  spawn(command, [...args, "clean", work], {
    argv0: name,
    env: PATH === undefined ? {} : { PATH },
    stdio: "ignore",
    detached: true,
  }).unref();
}
