import { Option } from "commander";
import { type AddVerb, collect, lastOption, stateDirOption } from "../verb.ts";

interface Options {
  readonly all?: boolean;
  readonly last: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly filter?: readonly string[];
  readonly format?: string;
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
    .option(
      "--filter <filter>",
      "list only tasks that fit: task, job, group, namespace, user, state, allocation or id =VALUE, where * stands for " +
        "any text; or failed. Repeatable: the same name again means or. With state and failed, ended tasks, too",
      collect,
    )
    .addOption(
      new Option(
        "--format <template>",
        "print each task by a template of Go's, over the fields that --json prints",
      ).conflicts(["json", "quiet"]),
    )
    .option("--json", "print JSON, one object per line; unknown values are null")
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 ps
  nomad-driver-exec2 ps --all
  nomad-driver-exec2 ps -q | xargs -n1 nomad-driver-exec2 stop
  nomad-driver-exec2 ps --filter failed --filter 'job=shop*'
  nomad-driver-exec2 ps --format '{{.task}}\\t{{.state}}\\t{{printf "%.1f" .cpuPercent}}'
  nomad-driver-exec2 ps --json | jq 'select(.memoryBytes > 1e9) | .id'`,
    )
    .action(async ({ stateDir, all = false, last, ...options }: Options) => {
      const { json = false, quiet = false, filter: filters = [], format } = options;
      const { showTasks } = await import("./showTasks.ts");
      exit(
        await showTasks(stateDir, {
          ...{ all, json, quiet, filters, format },
          last: json || format !== undefined || last === 0 ? undefined : last,
        }),
      );
    });
};
