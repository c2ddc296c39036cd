import { InvalidArgumentError } from "commander";
import { parseDuration } from "../../../units/durations.ts";
import { type AddVerb, runningTask, stateDirOption } from "../verb.ts";

interface Options {
  readonly signal?: string;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly stateDir: string;
}

export const addStop: AddVerb = (program, exit) => {
  program
    .command("stop")
    .argument("<task>", runningTask)
    .summary("stop a task of a local run")
    .description(
      "Stops a task of a local run: sends its kill_signal, and kills it if it still runs after its kill_timeout. " +
        "Returns when the task has ended. For an agent's task, use nomad alloc stop.",
    )
    .option("-s, --signal <signal>", "signal to send, instead of its kill_signal")
    .option(
      "-t, --timeout <duration>",
      "time until the task is killed, such as 10s, instead of its kill_timeout",
      parseTimeout,
    )
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 stop web
  nomad-driver-exec2 stop --signal SIGTERM --timeout 30s 6f2d4a9e`,
    )
    .action(async (task: string, { signal, timeout, stateDir }: Options) => {
      const { stopTask } = await import("../../tasks/runningTask.ts");
      exit(await stopTask(stateDir, task, { signal, timeoutMs: timeout }));
    });
};

function parseTimeout(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  throw new InvalidArgumentError("Expected a duration, such as 500ms, 10s or 2m.");
}
