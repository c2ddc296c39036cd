import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import { runOption } from "../options.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly json?: boolean;
  readonly run?: number;
  readonly stateDir: string;
}

export const addWhy: AddVerb = (program, exit) => {
  program
    .command("why")
    .argument("[task]", "name of a task, start of its allocation's id, or its whole id; or a bundle")
    .summary("explain how a task ended")
    .description(
      "Explains what happened to a task: its exit code or signal, running out of memory, who stopped it, why it " +
        "never started, or why it was lost. Numbers in brackets refer to the events that show it.",
    )
    .option(...runOption)
    .option("--json", "print JSON")
    .option("--state-dir <folder>", "the driver's state_dir, or a bundle", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 why web
  nomad-driver-exec2 why 6f2d4a9e --json
  nomad-driver-exec2 why bundle.jsonl`,
    )
    .action(async (task: string | undefined, options: Options) => exit(await act(task, options)));
};

async function act(task: string | undefined, { json = false, run, stateDir }: Options): Promise<number> {
  const { locate } = await import("../../logs/eventLogs.ts");
  const { showWhy } = await import("./showWhy.ts");
  return showWhy(locate(task, stateDir, run), json);
}
