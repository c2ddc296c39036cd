/** The command line: verbs, options, and what becomes of errors. */
import { Command, CommanderError } from "commander";
import { version } from "../version.ts";
import { addDiff } from "./commands/diff/diffVerb.ts";
import { addDoctor } from "./commands/doctor/doctorVerb.ts";
import { addEvents } from "./commands/events/eventsVerb.ts";
import { addExec } from "./commands/exec/execVerb.ts";
import { addExport } from "./commands/export/exportVerb.ts";
import { addImport } from "./commands/import/importVerb.ts";
import { addInspect } from "./commands/inspect/inspectVerb.ts";
import { addPs } from "./commands/ps/psVerb.ts";
import { addReplay } from "./commands/replay/replayVerb.ts";
import { addRun } from "./commands/run/runVerb.ts";
import { addTop } from "./commands/top/topVerb.ts";
import { addVersion } from "./commands/version/versionVerb.ts";
import { addWhy } from "./commands/why/whyVerb.ts";
import { tolerateClosedPipes } from "./terminal/closedPipes.ts";
import { errorText } from "./terminal/errorText.ts";
import { styleFor, widthOf } from "./terminal/style.ts";

const verbs = [
  ...[addRun, addDoctor, addPs, addTop, addExec],
  ...[addEvents, addWhy, addDiff, addInspect, addReplay, addExport, addImport, addVersion],
];

/** Exit codes of our own; those of tasks are passed on as they are. */
const failure = 1;
const usage = 2;

/**
 * @param args without the program itself
 * @returns the exit code: 1 where something failed, 2 where the arguments make no sense
 */
export async function runCli(args: readonly string[]): Promise<number> {
  tolerateClosedPipes();
  let exitCode = 0;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(ownArguments(args), { from: "user" });
    return exitCode;
  } catch (thrown) {
    // commander has written the help or its complaint already.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : usage;
    process.stderr.write(`${errorText(thrown, styleFor(process.stderr), widthOf(process.stderr))}\n`);
    return failure;
  }
}

/** What comes after `--` is a command's of its own. */
function ownArguments(args: readonly string[]): string[] {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  return [...args.slice(0, end).map(doubleDash), ...args.slice(end)];
}

/** Nomad's own commands spell it with one dash. */
function doubleDash(arg: string): string {
  return /^-var(=|$)/.test(arg) ? `-${arg}` : arg;
}

function createProgram(setExitCode: (code: number) => void): Command {
  const program = new Command("nomad-driver-exec2")
    .description(
      "Nomad task driver that runs commands in a Landlock sandbox, and the tool to try and inspect it.",
    )
    .usage("VERB [options]")
    .version(version, "-V, --version", "print the version of the driver")
    .helpOption("-h, --help", "show this help")
    .helpCommand("help [verb]", "tell more about a verb")
    .configureHelp({ helpWidth: Math.min(100, widthOf(process.stdout)) })
    .showSuggestionAfterError()
    .showHelpAfterError("(--help tells more)")
    .exitOverride();
  for (const addVerb of verbs) addVerb(program, setExitCode);
  return program;
}
