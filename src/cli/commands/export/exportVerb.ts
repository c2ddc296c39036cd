import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import { runOption } from "../options.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly all?: boolean;
  readonly showArgs?: boolean;
  readonly run?: number;
  readonly stateDir: string;
}

export const addExport: AddVerb = (program, exit) => {
  program
    .command("export")
    .argument("[task...]", "names of tasks, starts of their allocations' ids, or whole ids")
    .summary("write the histories of tasks as a bundle, to attach to a report")
    .description(
      "Writes the events of tasks, with the hashes that prove them, to standard output: a bundle, which replay and " +
        "events open anywhere. Values of the environment are in no event; arguments of commands are masked. Names " +
        "of jobs, nodes, users and paths are in it. It is text: read it before you send it.",
    )
    .option("--all", "all runs of all tasks in the log")
    .option(...runOption)
    .option("--show-args", "export arguments of commands, too, which may hold secrets")
    .option("--state-dir <folder>", "the driver's state_dir, or a bundle", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 export web > bundle.jsonl
  nomad-driver-exec2 export --all > bundle.jsonl
  nomad-driver-exec2 replay bundle.jsonl`,
    )
    .action(async (tasks: string[], options: Options) => exit(await act(tasks, options)));
};

async function act(
  tasks: readonly string[],
  { all = false, showArgs = false, run, stateDir }: Options,
): Promise<number> {
  const { exportTasks } = await import("./exportTasks.ts");
  return exportTasks(stateDir, { names: all ? undefined : tasks, back: run }, !showArgs);
}
