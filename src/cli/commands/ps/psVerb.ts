import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import { lastOption } from "../options.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly all?: boolean;
  readonly last: number;
  readonly json?: boolean;
  readonly stateDir: string;
}

export const addPs: AddVerb = (program, exit) => {
  program
    .command("ps")
    .summary("list the tasks of this host, with what they use")
    .description(
      "Lists the tasks that run on this host, for an agent or a local run: state, pid, user, CPU (the average " +
        "since it began, in percent of one core; top shows the present), memory, age. It reads the event log and " +
        "the kernel's figures, asks no plugin, and works while none runs.",
    )
    .option("-a, --all", "those that have ended, too, and how")
    .option(...lastOption)
    .option("--json", "one JSON object a line; what is not known is null")
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 ps
  nomad-driver-exec2 ps --all
  nomad-driver-exec2 ps --json | jq 'select(.memoryBytes > 1e9) | .id'`,
    )
    .action(async (options: Options) => exit(await act(options)));
};

async function act({ stateDir, all = false, last, json = false }: Options): Promise<number> {
  const { showTasks } = await import("./showTasks.ts");
  return showTasks(stateDir, { all, json, last: json || last === 0 ? undefined : last });
}
