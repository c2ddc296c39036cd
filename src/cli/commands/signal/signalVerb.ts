import { type AddVerb, runningTask, stateDirOption } from "../verb.ts";

export const addSignal: AddVerb = (program, exit) => {
  program
    .command("signal")
    .argument("<task>", runningTask)
    .argument("<signal>", "such as SIGHUP, HUP or 1")
    .summary("send a signal to a running task")
    .description(
      "Sends a signal to the process group of a running task, and records it in the task's history.",
    )
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 signal web HUP
  nomad-driver-exec2 signal 6f2d4a9e/web SIGUSR1`,
    )
    .action(async (task: string, signal: string, { stateDir }: { readonly stateDir: string }) => {
      const { signalTask } = await import("./signalTask.ts");
      exit(await signalTask(task, signal, stateDir));
    });
};
