import { type AddVerb, anyTask, jsonOption, runOption, stateDirOrBundleOption } from "../verb.ts";

interface Options {
  readonly json?: boolean;
  readonly run?: number;
  readonly stateDir: string;
}

export const addExposure: AddVerb = (program, exit) => {
  program
    .command("exposure")
    .argument("<task>", anyTask)
    .summary("show what a task's sandbox leaves open, by risk")
    .description(
      "Shows what a task's sandbox leaves open, the most serious first, and what it closes, from the sandbox that " +
        "was recorded when the task started.",
    )
    .option(...runOption)
    .option(...jsonOption)
    .option(...stateDirOrBundleOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 exposure web
  nomad-driver-exec2 exposure 6f2d4a9e --json`,
    )
    .action(async (task: string, { json = false, run, stateDir }: Options) => {
      const { locate } = await import("../../histories/eventLogs.ts");
      const { showExposure } = await import("./showExposure.ts");
      exit(await showExposure(locate(task, stateDir, run), json));
    });
};
