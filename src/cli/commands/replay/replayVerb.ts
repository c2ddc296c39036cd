import { Option } from "commander";
import { defaultStateDir } from "../../../config/options/defaultStateDir.ts";
import { runOption } from "../options.ts";
import type { AddVerb } from "../verb.ts";

interface Options {
  readonly check?: boolean;
  readonly all?: boolean;
  readonly against?: string;
  readonly whatIf?: string;
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
    .argument("[task]", "name of a task, start of its allocation's id, or its whole id; or a bundle")
    .summary("go through what happened to a task, and prove that it would happen again")
    .description(
      "Folds a task's events again, as the driver did: its state at each of them, what changed in what the driver " +
        "knew, and the effects that the state machine named. On a terminal, it opens a view to step through them, " +
        "forwards and backwards; ? shows its keys. Only reads, beside a running driver too. With --check " +
        "it proves the log instead: no event is missing or changed, and the machine makes of each what was recorded.",
    )
    .option("--check", "prove the events of the task, or of all tasks")
    .option("--all", "with --check: of all tasks, which is the same as naming none")
    .option("--against <module>", "check with the machine of another version: its dist/replay/machine.js")
    .option("--show-args", "show arguments of commands, which may hold secrets")
    .option(
      "-b, --break <where>",
      "where to stop: state:NAME, type:NAME or an expression; without a view, show these moments alone; may be repeated",
      collect,
    )
    .option(...runOption)
    .option("--plain", "every moment, one after another, on a terminal too")
    .option("--json", "one JSON object a line")
    .addOption(
      new Option(
        "--what-if <edits>",
        "apply a file of edits first, and show what the machine would do from there",
      ).conflicts(["check", "all", "against"]),
    )
    .option("--state-dir <folder>", "the driver's state_dir, or a bundle", defaultStateDir)
    .addHelpText(
      "after",
      `
Exit codes of a check: 0 all is proven, 1 something differs or is damaged,
2 it could not be made.

Examples:
  nomad-driver-exec2 replay web
  nomad-driver-exec2 replay web --break state:stopping --break 'exit.exitCode != 0'
  nomad-driver-exec2 replay web --plain | less -R
  nomad-driver-exec2 replay --check
  nomad-driver-exec2 replay --check 6f2d4a9e && echo proven
  nomad-driver-exec2 replay --against ../0.1.0/dist/replay/machine.js
  echo '[{"drop": 5}]' > edits.json && nomad-driver-exec2 replay web --what-if edits.json`,
    )
    .action(async (task: string | undefined, options: Options) => exit(await act(task, options)));
};

async function act(task: string | undefined, options: Options): Promise<number> {
  const { against, showArgs = false, json = false, break: breakpoints = [] } = options;
  const { locate } = await import("../../logs/eventLogs.ts");
  const place = locate(task, options.stateDir, options.run);
  if (options.check || options.all || against !== undefined) {
    const { checkTasks } = await import("./checkTasks.ts");
    const checked = options.all ? { ...place, name: undefined } : place;
    return checkTasks({ place: checked, against, showArgs, json });
  }
  const { showWhatIf, readEdits } = await import("./showWhatIf.ts");
  const edits = options.whatIf === undefined ? undefined : readEdits(options.whatIf);
  if (!json && !options.plain && isTerminal()) {
    const { showDebugger } = await import("../../debugger/showDebugger.ts");
    return showDebugger(place, { showArgs, breakpoints, edits: edits ?? [] });
  }
  if (edits !== undefined) return showWhatIf(place, edits, { showArgs, json, breakpoints });
  const { showReplay } = await import("./showReplay.ts");
  return showReplay(place, { showArgs, json, breakpoints });
}

/** Whether a person can see the view and press keys. */
function isTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY && process.env.TERM !== "dumb";
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}
