import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly stateDir: string;
}

export const addSignal: AddVerb = (program, exit) => {
  program
    .command("signal")
    .argument("<task>", "name of a running task, start of its allocation's id, or its whole id")
    .argument("<signal>", "such as SIGHUP, HUP or 1")
    .summary("send a signal to a running task")
    .description(
      "Sends a signal to the process group of a running task, and records it in the task's history.",
    )
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 signal web HUP
  nomad-driver-exec2 signal 6f2d4a9e/web SIGUSR1`,
    )
    .action(async (task: string, signal: string, options: Options) => exit(await act(task, signal, options)));
};

async function act(task: string, signal: string, { stateDir }: Options): Promise<number> {
  const { signalTask } = await import("./signalTask.ts");
  return signalTask(task, signal, stateDir);
}
