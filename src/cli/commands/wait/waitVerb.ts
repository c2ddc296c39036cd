import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly stateDir: string;
}

export const addWait: AddVerb = (program, exit) => {
  program
    .command("wait")
    .argument("<task>", "name of a task, start of its allocation's id, or its whole id")
    .summary("wait until a task ends")
    .description(
      "Waits until a task ends, and exits with its exit code, or 128 + signal. Returns at once if the task has " +
        "already ended.",
    )
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
Exit codes: that of the task; 125 if it is unknown, the task never started, or
wait itself failed.

Example:
  nomad-driver-exec2 wait web && echo done`,
    )
    .action(async (task: string, options: Options) => exit(await act(task, options)));
};

async function act(task: string, { stateDir }: Options): Promise<number> {
  const { waitForTask } = await import("./waitForTask.ts");
  return waitForTask(task, stateDir);
}
