import { type AddVerb, jsonOption, runOption, stateDirOrBundleOption, taskOrBundle } from "../verb.ts";

interface Options {
  readonly json?: boolean;
  readonly run?: number;
  readonly stateDir: string;
}

export const addWhy: AddVerb = (program, exit) => {
  program
    .command("why")
    .argument("[task]", taskOrBundle)
    .summary("explain how a task ended")
    .description(
      "Explains what happened to a task: its exit code or signal, running out of memory, who stopped it, why it " +
        "never started, or why it was lost. Numbers in brackets refer to the events that show it.",
    )
    .option(...runOption)
    .option(...jsonOption)
    .option(...stateDirOrBundleOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 why web
  nomad-driver-exec2 why 6f2d4a9e --json
  nomad-driver-exec2 why bundle.jsonl`,
    )
    .action(async (task: string | undefined, { json = false, run, stateDir }: Options) => {
      const { locate } = await import("../../histories/eventLogs.ts");
      const { showWhy } = await import("./showWhy.ts");
      exit(await showWhy(locate(task, stateDir, run), json));
    });
};
