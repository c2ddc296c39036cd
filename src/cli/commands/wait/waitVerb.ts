import { type AddVerb, anyTask, stateDirOption } from "../verb.ts";

interface Options {
  readonly stateDir: string;
  readonly json?: boolean;
}

export const addWait: AddVerb = (program, exit) => {
  program
    .command("wait")
    .argument("<task>", anyTask)
    .summary("wait until a task ends")
    .description(
      "Waits until a task ends, and exits with its exit code, or 128 + signal. Returns at once if the task has " +
        "already ended.",
    )
    .option("--json", "print the end as a JSON object, with exit code and reason")
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Exit codes: the task's own; 125 if the task is unknown, if it never started, or
if wait itself failed.

Example:
  nomad-driver-exec2 wait web && echo done`,
    )
    .action(async (task: string, { stateDir, json = false }: Options) => {
      const { waitForTask } = await import("./waitForTask.ts");
      exit(await waitForTask(task, { stateDir, json }));
    });
};
