import { InvalidArgumentError } from "commander";
import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  /** Seconds. */
  readonly delay: number;
  readonly stateDir: string;
}

/** Seconds. The maximum is a day, which is practically never. */
const [minDelay, maxDelay] = [0.2, 86_400];

export const addTop: AddVerb = (program, exit) => {
  program
    .command("top")
    .summary("watch the tasks of this host, the busiest first")
    .description(
      "Shows the tasks that run on this host with what they use, sorted by CPU (percent of one core), until q or " +
        "Ctrl-C. Into a file or a pipe it writes one such table.",
    )
    .option("-d, --delay <seconds>", "time between two looks", parseDelay, 2)
    .option("--state-dir <folder>", "the driver's state_dir", defaultStateDir)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 top
  nomad-driver-exec2 top --delay 0.5
  nomad-driver-exec2 top | head`,
    )
    .action(async (options: Options) => exit(await act(options)));
};

async function act({ stateDir, delay }: Options): Promise<number> {
  const { showTop } = await import("./showTop.ts");
  return showTop(stateDir, delay * 1000);
}

function parseDelay(text: string): number {
  const seconds = Number(text);
  if (seconds >= minDelay && seconds <= maxDelay) return seconds;
  throw new InvalidArgumentError(`It must be a number of seconds from ${minDelay} to ${maxDelay}.`);
}
