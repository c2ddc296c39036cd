/** What exit codes and signals mean. Pure. */
import { signalName } from "../signalNames.ts";

/** What an exit code means; undefined if only the program defines it. */
export function exitMeaning(code: number): string | undefined {
  const signal = code - 128;
  if (code === 0) return "success";
  if (code === 126) {
    return "a shell says so of a command that is there and cannot be run, for lack of rights or because it is no program";
  }
  if (code === 127) return "a shell says so of a command that it does not find";
  if (signal < 1 || signal > 64) return undefined;
  return `a shell says so where ${signalName(signal)} ended its command (128 + ${signal})`;
}

/** Why a process dies of a signal; undefined if the signal does not show that. */
export function signalMeaning(signal: number): string | undefined {
  return signalMeanings[signalName(signal)];
}

/** signal(7). */
const signalMeanings: Readonly<Record<string, string>> = {
  SIGABRT: "it gave up itself, as abort(3) and failed assertions do",
  SIGBUS: "it used memory that has nothing behind it, such as a mapped file that became shorter",
  SIGFPE: "an arithmetic error, such as a division by zero",
  SIGILL: "its processor does not know an instruction of it",
  SIGPIPE: "it wrote to a pipe or socket that nobody reads any more",
  SIGSEGV: "it used memory that is not its own, which is a defect of the program",
  SIGSYS: "it made a system call that is not allowed to it",
  SIGTRAP: "it stopped at a breakpoint or an assertion",
  SIGXCPU: "its limit of CPU time (RLIMIT_CPU) was used up",
  SIGXFSZ: "it wrote a file beyond its limit of size (RLIMIT_FSIZE)",
};
