import { InvalidArgumentError, Option } from "commander";
import { type AddVerb, stateDirOption } from "../verb.ts";
import type { SortKey } from "./topView.ts";

interface Options {
  /** Seconds. */
  readonly delay: number;
  readonly limit?: number;
  readonly sort: SortKey;
  readonly failed?: boolean;
  readonly json?: boolean;
  readonly stateDir: string;
}

const sortKeys = ["cpu", "memory", "age", "name"] satisfies readonly SortKey[];

/** Limits of `--delay`, in seconds. The maximum is a day: nobody waits that long for a frame. */
const [minDelay, maxDelay] = [0.2, 86_400];

export const addTop: AddVerb = (program, exit) => {
  program
    .command("top")
    .argument(
      "[text]",
      "show only tasks whose name, job, group, id, user or command contains this; or that a filter of ps chooses, such as job=shop",
    )
    .summary("show running tasks and their resource usage, live")
    .description(
      "Shows the tasks that run on this host, until q or Ctrl-C: CPU in percent of one core, memory and its " +
        "limit. Prints a single table if the output is not a terminal.",
    )
    .option("-d, --delay <seconds>", "time between two samples", parseDelay, 2)
    .option("-n, --limit <count>", "show at most this many tasks", parseLimit)
    .addOption(new Option("-s, --sort <key>", "sort key").choices(sortKeys).default("cpu"))
    .option("--failed", "show the tasks, too, whose newest run has failed, among the newest 200")
    .option("--json", "print one sample as JSON, one object per line")
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Keys: c, m, a, n sort by CPU, memory, age, name; / searches, also by a filter,
such as job=shop user=app; Escape clears the search; f shows failed tasks, too;
q quits. Up and Down choose a row, below which its CPU and memory so far are
shown (usage_interval). l or Enter shows its logs, s a shell, w why, e its
events, o its page; x stops it, r restarts it, after a question.

Examples:
  nomad-driver-exec2 top
  nomad-driver-exec2 top web --sort memory
  nomad-driver-exec2 top --json --delay 1 | jq .cpuPercent`,
    )
    .action(async (search = "", { stateDir, delay, limit, sort, failed = false, json = false }: Options) => {
      const { showTop } = await import("./showTop.ts");
      const shown = { limit: limit ?? Number.POSITIVE_INFINITY, failed };
      const view = { sort, search, typing: false, ...shown };
      exit(await showTop(stateDir, { view, json, intervalMs: delay * 1000 }));
    });
};

function parseDelay(text: string): number {
  const seconds = Number(text);
  if (seconds >= minDelay && seconds <= maxDelay) return seconds;
  throw new InvalidArgumentError(`Expected seconds, from ${minDelay} to ${maxDelay}.`);
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a whole number, at least 1.");
}
