import { InvalidArgumentError, Option } from "commander";
import { type AddVerb, anyTasks, runOption, stateDirOption } from "../verb.ts";

interface Options {
  readonly follow?: boolean;
  readonly tail?: number;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
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
        "pipes get every byte. Output exists as long as the allocation's folder: a " +
        "local run removes this folder when it ends, unless it was started with --keep.",
    )
    .option("-f, --follow", "follow the output until the tasks end")
    .option("-n, --tail <lines>", "number of lines to show from the end of each stream", parseLines)
    .addOption(new Option("--stdout", "show only standard output").conflicts("stderr"))
    .option("--stderr", "show only standard error")
    .option("--raw", "pass the output on unchanged, even to a terminal")
    .option(...runOption)
    .option(...stateDirOption)
    .addHelpText(
      "after",
      `
Examples:
  nomad-driver-exec2 logs web
  nomad-driver-exec2 logs -f --tail 20 web db
  nomad-driver-exec2 logs --stderr 6f2d4a9e/web | grep -i error`,
    )
    .action(async (tasks: string[], options: Options) => {
      const {
        follow = false,
        tail,
        stdout = false,
        stderr = false,
        raw = false,
        run: back,
        stateDir,
      } = options;
      const { showLogs } = await import("./showLogs.ts");
      const streams = stdout ? (["stdout"] as const) : stderr ? (["stderr"] as const) : bothStreams;
      exit(await showLogs(tasks, { follow, tail, streams, raw, back, stateDir }));
    });
};

const bothStreams = ["stdout", "stderr"] as const;

function parseLines(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a number of lines.");
}
