import { InvalidArgumentError, Option } from "commander";
import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import type { AddVerb } from "../verb.ts";
import { type SortKey, sortKeys } from "./topView.ts";

interface Options {
  /** Seconds. */
  readonly delay: number;
  readonly limit?: number;
  readonly sort: SortKey;
  readonly json?: boolean;
  readonly stateDir: string;
}

/** Seconds. The maximum is a day, which is practically never. */
const [minDelay, maxDelay] = [0.2, 86_400];

export const addTop: AddVerb = (program, exit) => {
  program
    .command("top")
    .argument("[text]", "only tasks with this in their name, job, group, allocation, user or command")
    .summary("watch the running tasks of this host")
    .description(
      "Shows the tasks that run on this host with what they use, until q or Ctrl-C. CPU is in percent of one core, " +
        "memory stands beside its limit. Into a file or a pipe it writes one such table.",
    )
    .option("-d, --delay <seconds>", "time between two samples", parseDelay, 2)
    .option("-n, --limit <count>", "show at most this many tasks", parseLimit)
    .addOption(
      new Option("-s, --sort <key>", "what to sort by; the highest first").choices(sortKeys).default("cpu"),
    )
    .option("--json", "one sample, as one JSON object a line")
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
Keys: c, m, a and n sort by CPU, memory, age and name; / searches, Escape shows
all tasks again; q quits.

Examples:
  nomad-driver-exec2 top
  nomad-driver-exec2 top web --sort memory
  nomad-driver-exec2 top --json --delay 1 | jq .cpuPercent`,
    )
    .action(async (text: string | undefined, options: Options) => exit(await act(text, options)));
};

async function act(search: string | undefined, options: Options): Promise<number> {
  const { stateDir, delay, limit = Number.POSITIVE_INFINITY, sort, json = false } = options;
  const { showTop } = await import("./showTop.ts");
  const view = { sort, search: search ?? "", typing: false, limit };
  return showTop(stateDir, { view, json, intervalMs: delay * 1000 });
}

function parseDelay(text: string): number {
  const seconds = Number(text);
  if (seconds >= minDelay && seconds <= maxDelay) return seconds;
  throw new InvalidArgumentError(`It must be a number of seconds from ${minDelay} to ${maxDelay}.`);
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number from 1.");
}
