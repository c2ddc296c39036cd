import { InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../../units/durations.ts";
import { parseTime } from "../../../units/times.ts";
import { type AddVerb, anyTasks, runOption, stateDirOption } from "../verb.ts";

interface Options {
  readonly follow?: boolean;
  readonly tail?: number;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly since?: number;
  readonly until?: number;
  readonly grep?: RegExp;
  readonly timestamps?: boolean;
  readonly raw?: boolean;
  readonly run?: number;
  readonly stateDir: string;
}

export const addLogs: AddVerb = (program, exit) => {
  program
    .command("logs")
    .argument("<task...>", anyTasks)
    .summary("show the output of tasks")
    .description(
      "Shows the standard output of tasks on standard output, and their standard error on standard error. With " +
        "several tasks, each line starts with the task's name. A terminal gets text and colours only, unless --raw is given; files and " +
        "pipes get every byte. Times are known if the driver writes the log files: those of the newest output to a second " +
        "or better; before, --since and --until show up to 4 KiB too much, and -t marks times that may be early with ~. Output exists as long as the allocation's folder: a " +
        "local run removes this folder when it ends, unless it was started with --keep. Of a failed run, the history may have " +
        "the end (keep_output).",
    )
    .option("-f, --follow", "follow the output until the tasks end")
    .option("-n, --tail <lines>", "number of lines to show from the end of each stream", parseLines)
    .addOption(new Option("--stdout", "show only standard output").conflicts("stderr"))
    .option("--stderr", "show only standard error")
    .option(
      "--since <time>",
      "show what was written since then: 5m (ago), 16:05, 2026-11-24 16:05",
      parseMoment,
    )
    .option("--until <time>", "show what was written until then", parseMoment)
    .option(
      "--grep <pattern>",
      "show lines that match a regular expression; in lower case, it ignores case",
      parsePattern,
    )
    .option("-t, --timestamps", "show when each line was written")
    .option("--raw", "pass the output on unchanged, even to a terminal")
    .option(...runOption)
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 logs web
  nomad-driver-exec2 logs -f --tail 20 web db
  nomad-driver-exec2 logs -t --since 5m --grep 'timeout|refused' web
  nomad-driver-exec2 logs --stderr 6f2d4a9e/web | grep -i error`,
    )
    .action(async (tasks: string[], options: Options) => {
      const {
        follow = false,
        tail,
        stdout = false,
        stderr = false,
        raw = false,
        timestamps = false,
        since,
        until,
        grep: matching,
        run: back,
        stateDir,
      } = options;
      const { showLogs } = await import("./showLogs.ts");
      const streams = stdout ? (["stdout"] as const) : stderr ? (["stderr"] as const) : bothStreams;
      const choice = { since, until, matching };
      exit(await showLogs(tasks, { follow, tail, streams, choice, timestamps, raw, back, stateDir }));
    });
};

const bothStreams = ["stdout", "stderr"] as const;

/** A time, or a duration before now. */
function parseMoment(text: string): number {
  const now = Date.now();
  const ago = parseDuration(text);
  const time = ago === undefined ? parseTime(text, now) : now - ago;
  if (time === undefined)
    throw new InvalidArgumentError("Expected a duration, such as 5m, or a time, such as 16:05.");
  return time;
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text, text === text.toLowerCase() ? "i" : "");
  } catch {
    throw new InvalidArgumentError("Expected a regular expression.");
  }
}

function parseLines(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a number of lines.");
}
