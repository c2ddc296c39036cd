import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import { runOption } from "../options.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly reason?: string;
  readonly run?: number;
  readonly json?: boolean;
  readonly stateDir: string;
}

export const addPin: AddVerb = (program, exit) => {
  program
    .command("pin")
    .argument("[task]", "name of a task, start of its allocation's id, or its whole id")
    .summary("keep the history of a task, or list those that are kept")
    .description(
      "Keeps a task's history: the driver then removes it neither for its age nor for the log's size, until unpin. " +
        "Without a task, lists what is pinned. Works whether or not a plugin is running.",
    )
    .option("-r, --reason <text>", "why it is kept, for ps --all and events")
    .option(...runOption)
    .option("--json", "one JSON object a line, in the list")
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 pin web --reason "outage of 2026-11-24"
  nomad-driver-exec2 pin web --run -1
  nomad-driver-exec2 pin`,
    )
    .action(async (task: string | undefined, options: Options) => exit(await act(task, options)));
};

async function act(
  name: string | undefined,
  { reason = "", run, json = false, stateDir }: Options,
): Promise<number> {
  const { listPins, pinTask } = await import("./pinTask.ts");
  return name === undefined ? listPins(stateDir, json) : pinTask({ name, back: run }, reason, stateDir);
}

export const addUnpin: AddVerb = (program, exit) => {
  program
    .command("unpin")
    .argument("<task>", "name of a task, start of its allocation's id, or its whole id")
    .summary("let the driver remove a pinned history again")
    .description("Undoes pin: the driver may remove the task's history again when it is old enough.")
    .option(...runOption)
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText("after", "\nExample:\n  nomad-driver-exec2 unpin web")
    .action(async (name: string, { run, stateDir }: Options) => {
      const { unpinTask } = await import("./pinTask.ts");
      exit(await unpinTask({ name, back: run }, stateDir));
    });
};
