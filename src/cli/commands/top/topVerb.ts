import { InvalidArgumentError, Option } from "commander";
import { type AddVerb, stateDirOption } from "../verb.ts";
import type { SortKey } from "./topView.ts";

interface Options {
  /** Seconds. */
  readonly delay: number;
  readonly limit?: number;
  readonly sort: SortKey;
  readonly json?: boolean;
  readonly stateDir: string;
}

const sortKeys = ["cpu", "memory", "age", "name"] satisfies readonly SortKey[];

/** Limits of `--delay`, in seconds. The maximum is a day: nobody waits that long for a frame. */
const [minDelay, maxDelay] = [0.2, 86_400];

export const addTop: AddVerb = (program, exit) => {
  program
    .command("top")
    .argument("[text]", "show only tasks whose name, job, group, id, user or command contains this")
    .summary("show running tasks and their resource usage, live")
    .description(
      "Shows the tasks that run on this host, until q or Ctrl-C: CPU in percent of one core, memory and its " +
        "limit. Prints a single table if the output is not a terminal.",
    )
    .option("-d, --delay <seconds>", "time between two samples", parseDelay, 2)
    .option("-n, --limit <count>", "show at most this many tasks", parseLimit)
    .addOption(new Option("-s, --sort <key>", "sort key").choices(sortKeys).default("cpu"))
    .option("--json", "print one sample as JSON, one object per line")
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Keys: c, m, a, n sort by CPU, memory, age, name; / searches; Escape clears the
search; q quits.

Examples:
  nomad-driver-exec2 top
  nomad-driver-exec2 top web --sort memory
  nomad-driver-exec2 top --json --delay 1 | jq .cpuPercent`,
    )
    .action(async (search = "", { stateDir, delay, limit, sort, json = false }: Options) => {
      const { showTop } = await import("./showTop.ts");
      const view = { sort, search, typing: false, limit: limit ?? Number.POSITIVE_INFINITY };
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
