/** The command line: verbs, options, and the handling of errors. */
import { Command, CommanderError } from "commander";
import { RUNNER_FAILED } from "../base/taskEnd.ts";
import { version } from "../base/version.ts";
import { addArchive } from "./commands/archive/archiveVerb.ts";
import { addClean } from "./commands/clean/cleanVerb.ts";
import { addCompletion } from "./commands/completion/completionVerb.ts";
import { addCp } from "./commands/cp/cpVerb.ts";
import { addDebug } from "./commands/debug/debugVerb.ts";
import { addDiff } from "./commands/diff/diffVerb.ts";
import { addDoctor } from "./commands/doctor/doctorVerb.ts";
import { addEgress } from "./commands/egress/egressVerb.ts";
import { addEvents } from "./commands/events/eventsVerb.ts";
import { addExec } from "./commands/exec/execVerb.ts";
import { addExport } from "./commands/export/exportVerb.ts";
import { addExposure } from "./commands/exposure/exposureVerb.ts";
import { addFleet } from "./commands/fleet/fleetVerb.ts";
import { addHelp, unknownVerb } from "./commands/help/helpVerb.ts";
import { addImport } from "./commands/import/importVerb.ts";
import { addInspect } from "./commands/inspect/inspectVerb.ts";
import { addInstall, addUninstall } from "./commands/install/installVerb.ts";
import { addLogs } from "./commands/logs/logsVerb.ts";
import { addLs } from "./commands/ls/lsVerb.ts";
import { addMay } from "./commands/may/mayVerb.ts";
import { addPin, addUnpin } from "./commands/pin/pinVerb.ts";
import { addPolicy } from "./commands/policy/policyVerb.ts";
import { addPs } from "./commands/ps/psVerb.ts";
import { addReplay } from "./commands/replay/replayVerb.ts";
import { addRestart } from "./commands/restart/restartVerb.ts";
import { addRun } from "./commands/run/runVerb.ts";
import { addSignal } from "./commands/signal/signalVerb.ts";
import { addSize } from "./commands/size/sizeVerb.ts";
import { addStop } from "./commands/stop/stopVerb.ts";
import { addTop } from "./commands/top/topVerb.ts";
import { addValidate } from "./commands/validate/validateVerb.ts";
import { addVersion } from "./commands/version/versionVerb.ts";
import { addWait } from "./commands/wait/waitVerb.ts";
import { addWhy } from "./commands/why/whyVerb.ts";
import { printError } from "./terminal/errors.ts";
import { mayWaitForInput } from "./terminal/input.ts";
import { guardOutput, outputError } from "./terminal/output.ts";
import { widthOf } from "./terminal/style.ts";

const verbs = [
  ...[addRun, addDoctor, addPs, addTop, addLogs, addExec, addLs, addCp, addDebug, addEgress],
  ...[addStop, addRestart, addSignal, addWait, addClean, addValidate],
  ...[addEvents, addWhy, addDiff, addInspect, addReplay, addMay, addExposure, addFleet, addSize, addPolicy],
  ...[addExport, addImport, addArchive, addPin, addUnpin],
  ...[addInstall, addUninstall, addCompletion, addVersion, addHelp],
];

/** This program's own exit codes. */
const codes = { failure: 1, usage: 2 };
/** Some verbs exit with a command's code. For their own failures they use a code that few programs use. */
const passingOn = { failure: RUNNER_FAILED, usage: RUNNER_FAILED };
const passing: ReadonlySet<string | undefined> = new Set(["run", "exec", "debug", "wait"]);

/**
 * @param args without the program's name
 * @returns the exit code: 1 for a failure, 2 for invalid arguments; `run`, `exec`, `debug` and `wait` use 125 for both
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const code = await runVerb(args);
  if (!mayWaitForInput()) return code;
  await outputError();
  const { exitNow } = await import("../effects/kernel/libc.ts");
  return exitNow(code);
}

async function runVerb(args: readonly string[]): Promise<number> {
  const { failure, usage } = passing.has(args[0]) ? passingOn : codes;
  guardOutput();
  // Node's own warnings are for programmers.
  process.removeAllListeners("warning");
  process.on("uncaughtException", (thrown) => {
    // The error is printed at the exit. By then, a verb that took over the terminal has restored it.
    process.once("exit", () => printError(thrown));
    process.exit(failure);
  });
  let exitCode = 0;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(normalizeArguments(args), { from: "user" });
  } catch (thrown) {
    // commander has already written the help or its error.
    if (!(thrown instanceof CommanderError)) {
      printError(thrown);
      return failure;
    }
    if (thrown.exitCode !== 0) return usage;
  }
  const lost = await outputError();
  if (lost === undefined) return exitCode;
  printError(lost);
  return failure;
}

/**
 * Rewrites the arguments that people type into arguments that commander parses. Arguments after `--` stay
 * unchanged: they belong to the command that `exec` or `debug` runs.
 */
export function normalizeArguments(given: readonly string[]): string[] {
  const args = given[0] === "exec" || given[0] === "debug" ? separateCommand(given) : given;
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  return [...args.slice(0, end).map(doubleDash), ...args.slice(end)];
}

/**
 * Puts `--` before the command in the arguments of `exec` and `debug`, because the command's options are not options of
 * this program.
 */
function separateCommand(args: readonly string[]): readonly string[] {
  let hasTask = false;
  for (let at = 1; at < args.length; at++) {
    const arg = args[at] as string;
    if (arg === "--") return args;
    if (arg === "--state-dir" || arg === "--tools") at++;
    else if (arg.startsWith("-")) continue;
    else if (hasTask) return [...args.slice(0, at), "--", ...args.slice(at)];
    else hasTask = true;
  }
  return args;
}

/** Adds a dash to `-var` and `-var-file`, which Nomad's own commands spell with one dash. */
function doubleDash(arg: string): string {
  return /^-var(-file)?(=|$)/.test(arg) ? `-${arg}` : arg;
}

/** @param setExitCode receives the exit code of the verb that was called */
export function createProgram(setExitCode: (code: number) => void): Command {
  const program = new Command("nomad-driver-exec2")
    .description("Nomad task driver that runs commands in a Landlock sandbox, and its command-line tool.")
    .usage("VERB [options]")
    .version(version, "-V, --version", "show the version")
    .helpOption("-h, --help", "show help")
    .configureHelp({ helpWidth: Math.min(100, widthOf(process.stdout)) })
    .showSuggestionAfterError()
    .showHelpAfterError("Try --help.")
    .exitOverride();
  for (const addVerb of verbs) addVerb(program, setExitCode);
  program.on("command:*", ([name = ""]: string[]) => unknownVerb(program, name));
  return program;
}
