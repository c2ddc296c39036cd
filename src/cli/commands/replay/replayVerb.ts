import { Option } from "commander";
import { codeOfComparison } from "../../terminal/errors.ts";
import {
  type AddVerb,
  collect,
  jsonLinesOption,
  runOption,
  showArgsOption,
  stateDirOrBundleOption,
} from "../verb.ts";

interface Options {
  readonly check?: boolean;
  readonly all?: boolean;
  readonly against?: string;
  readonly key?: string;
  readonly parts?: string;
  readonly whatIf?: string;
  readonly policy?: string;
  readonly showArgs?: boolean;
  readonly break?: readonly string[];
  readonly plain?: boolean;
  readonly json?: boolean;
  readonly run?: number;
  readonly stateDir: string;
}

export const addReplay: AddVerb = (program, exit) => {
  program
    .command("replay")
    .argument(
      "[task]",
      "a task: its name, its whole id, or the start of its allocation's id; or a bundle, or BUNDLE:TASK",
    )
    .summary("step through the history of a task, or verify it")
    .description(
      "Replays a task's events. For each event, shows the task's state, what changed in its context, and which " +
        "effects followed. On a terminal it opens a view to step forwards and backwards; press ? for its keys. It only reads, " +
        "so it is safe while the driver runs. With --check it verifies that no event is missing or modified, and that the " +
        "state machine still produces what was recorded.",
    )
    .option("--check", "verify the events of the task, or of all tasks")
    .option("--all", "with --check: verify all tasks. This is the default if no task is given")
    .option(
      "--against <module>",
      "verify with the state machine of another version: its dist/replay/machine.js",
    )
    .option("--key <key>", "with --check of a bundle: verify its signature, too, with a public Ed25519 key")
    // Of the processes that share a check: this one's part of each log.
    .addOption(new Option("--parts <parts>").hideHelp())
    .option(...showArgsOption)
    .option(
      "-b, --break <where>",
      "stop at state:NAME, type:NAME or where an expression holds; printed output has only those moments; repeatable",
      collect,
    )
    .option(...runOption)
    .option("--plain", "print all moments, even on a terminal")
    .option(...jsonLinesOption)
    .addOption(
      new Option(
        "--what-if <edits>",
        "apply a file of edits first, and show what the machine would have done",
      ).conflicts(["check", "all", "against"]),
    )
    .addOption(
      new Option(
        "--policy <file>",
        "show what a job file, or a file of the plugin's options, would have refused a task, or all tasks",
      ).conflicts(["check", "all", "against", "whatIf"]),
    )
    .option(...stateDirOrBundleOption)
    .addHelpText(
      "after",
      `
Exit codes of a check: 0 verified, 1 differences, damage or a wrong signature, 2 failed to check;
of --policy: 0 if no run would have been different, 1 otherwise, 2 failed.

Examples:
  nomad-driver-exec2 replay web
  nomad-driver-exec2 replay web --break state:stopping --break 'exit.exitCode != 0'
  nomad-driver-exec2 replay web --plain | less -R
  nomad-driver-exec2 replay --check
  nomad-driver-exec2 replay --check 6f2d4a9e && echo verified
  nomad-driver-exec2 replay --check bundle.jsonl --key public.pem
  nomad-driver-exec2 replay --policy client.hcl
  nomad-driver-exec2 replay --against ../1.0.0/dist/replay/machine.js
  echo '[{"drop": 5}]' > edits.json && nomad-driver-exec2 replay web --what-if edits.json`,
    )
    .action(async (task: string | undefined, options: Options) => exit(await act(task, options)));
};

async function act(task: string | undefined, options: Options): Promise<number> {
  const { against, key, showArgs = false, json = false, break: breakpoints = [] } = options;
  const { locate } = await import("../../histories/eventLogs.ts");
  const place = locate(task, options.stateDir, options.run);
  if (options.check || options.all || against !== undefined || key !== undefined) {
    const { checkTasks, readParts } = await import("./checkTasks.ts");
    const checked = options.all ? { ...place, name: undefined } : place;
    const parts = options.parts === undefined ? undefined : readParts(options.parts);
    return codeOfComparison(() => checkTasks({ place: checked, against, key, parts, showArgs, json }));
  }
  if (options.policy !== undefined) {
    const { policy: file } = options;
    const { replayPolicy } = await import("./replayPolicy.ts");
    return codeOfComparison(() => replayPolicy({ place, file, json }));
  }
  const { showReplay, readEdits } = await import("./showReplay.ts");
  const edits = options.whatIf === undefined ? undefined : readEdits(options.whatIf);
  if (!json && !options.plain && isTerminal()) {
    const { showDebugger } = await import("../../debugger/showDebugger.ts");
    return showDebugger(place, { showArgs, breakpoints, edits: edits ?? [] });
  }
  return showReplay(place, { showArgs, json, breakpoints, edits });
}

/** Whether a person can see the view and press keys. */
function isTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY && process.env.TERM !== "dumb";
}
