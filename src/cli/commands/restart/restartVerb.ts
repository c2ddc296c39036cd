import { type AddVerb, runningTask, stateDirOption } from "../verb.ts";

export const addRestart: AddVerb = (program, exit) => {
  program
    .command("restart")
    .argument("<task>", runningTask)
    .summary("restart a task of a local run")
    .description(
      "Stops a task of a local run with its kill_signal and kill_timeout, and starts it again in the same " +
        "allocation, with its folders, user and ports. Returns when the task is running again. For an agent's task, use nomad " +
        "alloc restart.",
    )
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 restart web
  nomad-driver-exec2 restart 6f2d4a9e/web`,
    )
    .action(async (task: string, { stateDir }: { readonly stateDir: string }) => {
      const { restartTask } = await import("../../tasks/runningTask.ts");
      exit(await restartTask(stateDir, task));
    });
};
