import { type AddVerb, jsonLinesOption, runningTask, stateDirOption } from "../verb.ts";

interface Options {
  readonly json?: boolean;
  readonly stateDir: string;
}

export const addLs: AddVerb = (program, exit) => {
  program
    .command("ls")
    .argument("<task>", runningTask)
    .argument("[path]", "a path in the task, absolute or relative to its working directory", "/")
    .summary("list files as a running task sees them")
    .description(
      "Lists what a running task sees at a path: each entry with the task's rights (r, w, x, c) and the option " +
        "that unveiled it. File owners and modes apply as well.",
    )
    .option(...jsonLinesOption)
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 ls web
  nomad-driver-exec2 ls 6f2d4a9e /etc`,
    )
    .action(async (task: string, path: string, { json = false, stateDir }: Options) => {
      const { showRoot } = await import("./showRoot.ts");
      exit(await showRoot(task, path, { json, stateDir }));
    });
};
