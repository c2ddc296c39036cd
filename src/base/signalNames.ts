/** Names and numbers of signals. Pure. */
import { constants } from "node:os";
import { DriverError } from "./errors.ts";
import { nearest } from "./suggest.ts";

/**
 * Number of a signal, from its name (`SIGHUP`, `HUP`, `hup`, `SIGRTMIN+3`, `SIGRTMAX-1`) or number (`1`).
 * @throws DriverError `SIGNAL_UNKNOWN`, whose hint suggests a similar name if there is one
 */
export function parseSignal(signal: string): number {
  const name = signal.trim().toUpperCase();
  const number = /^\d+$/.test(name) ? Number(name) : numbers.get(name.replace(/^SIG/, ""));
  if (number !== undefined && number >= 1 && number <= SIGRTMAX) return number;
  const meant = nearest(name.replace(/^SIG/, ""), standardNumbers.keys());
  throw new DriverError("SIGNAL_UNKNOWN", `there is no signal ${JSON.stringify(signal)}`, {
    hint: meant
      ? `Did you mean ${meant}?`
      : `Use a name such as TERM, HUP, USR1 or RTMIN+3, or a number from 1 to ${SIGRTMAX}`,
  });
}

/** Whether {@link parseSignal} knows the signal. */
export function isSignal(signal: string): boolean {
  try {
    return parseSignal(signal) > 0;
  } catch {
    return false;
  }
}

/** Name of a signal, such as `SIGTERM`; `signal 32` and `signal 33` for those that the C library reserves. */
export function signalName(signal: number): string {
  for (const [name, number] of numbers) if (number === signal) return `SIG${name}`;
  return `signal ${signal}`;
}

/** The usual names, with `SIG` and without it: what shells complete. */
export function signalNames(): readonly string[] {
  return [...standardNumbers.keys()].flatMap((name) => [name, `SIG${name}`]);
}

/** Why a process dies of a signal; undefined if the signal does not show the reason. */
export function signalMeaning(signal: number): string | undefined {
  return meanings[signalName(signal)];
}

/** Signals that follow from what the program itself did: see signal(7). */
const meanings: Readonly<Record<string, string>> = {
  SIGABRT: "it aborted itself, as abort(3) and failed assertions do",
  SIGBUS: "it accessed mapped memory with nothing behind it, such as a file that became shorter",
  SIGFPE: "an arithmetic error, such as a division by zero",
  SIGILL: "it executed an instruction that the processor does not know",
  SIGPIPE: "it wrote to a pipe or socket without a reader",
  SIGSEGV: "it accessed memory that is not its own, which is a bug in the program",
  SIGSYS: "it made a forbidden system call; the driver's filter also ends 32-bit programs in this way",
  SIGTRAP: "it stopped at a breakpoint or an assertion",
  SIGXCPU: "it exceeded its limit of CPU time (RLIMIT_CPU)",
  SIGXFSZ: "it exceeded its limit of file size (RLIMIT_FSIZE)",
};

/** The C library's number, not the kernel's 32: the C library reserves the first two real-time signals. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** Names without `SIG`. */
const standardNumbers = new Map(
  Object.entries(constants.signals).map(([name, number]): [string, number] => [name.slice(3), number]),
);
const numbers = new Map([...standardNumbers, ...realTimeNumbers()]);

function realTimeNumbers(): [string, number][] {
  const offsets = Array.from({ length: SIGRTMAX - SIGRTMIN + 1 }, (_, offset) => offset);
  return [
    ["RTMIN", SIGRTMIN],
    ["RTMAX", SIGRTMAX],
    ...offsets.map((offset): [string, number] => [`RTMIN+${offset}`, SIGRTMIN + offset]),
    ...offsets.map((offset): [string, number] => [`RTMAX-${offset}`, SIGRTMAX - offset]),
  ];
}
