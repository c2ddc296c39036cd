import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly json?: boolean;
  readonly stateDir: string;
}

export const addLs: AddVerb = (program, exit) => {
  program
    .command("ls")
    .argument("<task>", "name of a running task, start of its allocation's id, or its whole id")
    .argument("[path]", "a path in the task, absolute or relative to its working directory", "/")
    .summary("list files as a running task sees them")
    .description(
      "Lists what a running task sees at a path: each entry with the task's rights (r, w, x, c) and the option " +
        "that unveiled it. File owners and modes apply as well.",
    )
    .option("--json", "print JSON, one object per line")
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 ls web
  nomad-driver-exec2 ls 6f2d4a9e /etc`,
    )
    .action(async (task: string, path: string, options: Options) => exit(await act(task, path, options)));
};

async function act(task: string, path: string, { json = false, stateDir }: Options): Promise<number> {
  const { showRoot } = await import("./showRoot.ts");
  return showRoot(task, path, { json, stateDir });
}
