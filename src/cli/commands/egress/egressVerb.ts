import { type AddVerb, jsonOption, runningTask, stateDirOption } from "../verb.ts";

interface Options {
  readonly set?: readonly string[];
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly reason?: string;
  readonly json?: boolean;
  readonly stateDir: string;
}

export const addEgress: AddVerb = (program, exit) => {
  program
    .command("egress")
    .argument("<task>", runningTask)
    .summary("show or change where a running task may connect")
    .description(
      "Shows where a running task may connect, and where each entry comes from, or changes it: only for a task that was " +
        "started with a list, and within the plugin's egress and egress_denied. The change is in the task's history " +
        "before it is in force, which one write in the kernel does. Then the task's connections to what was removed are " +
        "ended. The next start of the task begins with the job's list again.",
    )
    .option("--set <entries...>", 'replace the list; "" leaves only loopback', words)
    .option("--add <entries...>", "add entries, such as 192.0.2.7:443 or api.example.org", words)
    .option("--remove <entries...>", "remove entries as they stand in the list", words)
    .option("--reason <text>", "why, for the task's history")
    .option(...jsonOption)
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Entries are separated by commas or spaces, so the task comes first. Exit code 1 if
the list has changed, but connections that it does not allow may go on.

Examples:
  nomad-driver-exec2 egress web
  nomad-driver-exec2 egress web --add api.example.org:443 --reason "ticket 4711"
  nomad-driver-exec2 egress web --remove 10.0.0.0/8:5432,192.0.2.7
  nomad-driver-exec2 egress web --set ""`,
    )
    .action(
      async (task: string, { set, add = [], remove = [], reason = "", json = false, stateDir }: Options) => {
        const { changeEgress, showEgress } = await import("./changeEgress.ts");
        if (set === undefined && add.length === 0 && remove.length === 0)
          exit(await showEgress(task, { json, stateDir }));
        else exit(await changeEgress(task, { set, add, remove }, { reason, json, stateDir }));
      },
    );
};

function words(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(/[\s,]+/).filter((word) => word !== "")];
}
