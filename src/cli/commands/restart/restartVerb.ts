import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly stateDir: string;
}

export const addRestart: AddVerb = (program, exit) => {
  program
    .command("restart")
    .argument("<task>", "name of a running task, start of its allocation's id, or its whole id")
    .summary("restart a task of a local run")
    .description(
      "Stops a task of run with its kill_signal and kill_timeout, and starts it again in the same allocation, " +
        "with its folders, user and ports. Returns when the task is running again. For an agent's task, use nomad " +
        "alloc restart.",
    )
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 restart web
  nomad-driver-exec2 restart 6f2d4a9e/web`,
    )
    .action(async (task: string, options: Options) => exit(await act(task, options)));
};

async function act(task: string, { stateDir }: Options): Promise<number> {
  const { restartTask } = await import("./restartTask.ts");
  return restartTask(task, stateDir);
}
