import { type AddVerb, lastOption, stateDirOption } from "../verb.ts";

interface Options {
  readonly all?: boolean;
  readonly last: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly stateDir: string;
}

export const addPs: AddVerb = (program, exit) => {
  program
    .command("ps")
    .summary("list running tasks and their resource usage")
    .description(
      "Lists the tasks that run on this host, for an agent or a local run: state, pid, user, CPU, memory, age. " +
        "CPU is the average since the start, in percent of one core; top shows current usage. Reads the event log " +
        "and the kernel, and needs no running plugin. With --all, a task that was restarted has one row: its newest run, the number of " +
        "its runs, and when the first and the last of them began; --json and --quiet list each run.",
    )
    .option("-a, --all", "include ended tasks, and how they ended")
    .option("-q, --quiet", "print only the names of tasks, as other verbs take them")
    .option(...lastOption)
    .option("--json", "print JSON, one object per line; unknown values are null")
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 ps
  nomad-driver-exec2 ps --all
  nomad-driver-exec2 ps -q | xargs -n1 nomad-driver-exec2 stop
  nomad-driver-exec2 ps --json | jq 'select(.memoryBytes > 1e9) | .id'`,
    )
    .action(async ({ stateDir, all = false, last, json = false, quiet = false }: Options) => {
      const { showTasks } = await import("./showTasks.ts");
      exit(
        await showTasks(stateDir, {
          ...{ all, json, quiet },
          last: json || last === 0 ? undefined : last,
        }),
      );
    });
};
