/**
 * What the threads of a process and of its descendants wait in: `syscall`, `wchan` and `stack` in
 * `/proc/<pid>/task/<tid>` (proc_pid_syscall(5)). Bounded in threads, time and bytes. The files are read beside the
 * event loop: one whose process is stuck in execve(2) may hang.
 */
import { readdir, readFile } from "node:fs/promises";
import { atMost } from "../../base/atMost.ts";
import { supportedArchitecture, systemCallName } from "../kernel/systemCalls.ts";
import { isSameProcess } from "./processIdentity.ts";
import { type ProcessIdentity, parseStat } from "./processStat.ts";

export interface WaitingThread {
  readonly pid: number;
  readonly thread: number;
  /** Name of the thread, which it chooses itself. */
  readonly program: string;
  /** `R`, `S`, `D`, `T`, …: proc_pid_stat(5). */
  readonly state: string;
  /** Such as `futex`, or the call's number if the driver does not know it; null: it is in no call. */
  readonly call: string | null;
  /** The kernel's function that it sleeps in; null: none, or the kernel does not tell. */
  readonly wait: string | null;
  /** Of a thread that no signal wakes (`D`): the kernel's functions, the innermost first. */
  readonly stack: string[];
}

export interface Waits {
  /** The main process's first, each process's first thread first. */
  readonly threads: WaitingThread[];
  /** How many further threads were seen, but not looked at. */
  readonly more: number;
}

const maxThreads = 32;
const maxProcesses = 16;
const maxMs = 100;
const maxFrames = 8;
const maxName = 64;

/** Never rejects: what cannot be read is left out. Resolves after 100 ms at the latest. */
export async function waitingThreads(task: ProcessIdentity): Promise<Waits> {
  const found: { threads: WaitingThread[]; more: number } = { threads: [], more: 0 };
  const late = new AbortController();
  try {
    if (isSameProcess(task)) await atMost(maxMs, collect(task.pid, found, late.signal));
  } catch {
    // What was found until then is told.
  } finally {
    late.abort();
  }
  return { threads: [...found.threads], more: found.more };
}

async function collect(
  first: number,
  found: { threads: WaitingThread[]; more: number },
  late: AbortSignal,
): Promise<void> {
  const pids = [first];
  // Grows while it is read.
  for (const pid of pids) {
    const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
    for (const thread of tasks.map(Number).sort((one, other) => one - other)) {
      if (late.aborted) return;
      if (found.threads.length === maxThreads) {
        found.more += 1;
        continue;
      }
      const [seen, children] = await Promise.all([threadAt(pid, thread), childrenOf(pid, thread)]);
      if (late.aborted) return;
      if (seen !== undefined) found.threads.push(seen);
      pids.push(...children.slice(0, maxProcesses - pids.length));
    }
  }
}

async function threadAt(pid: number, thread: number): Promise<WaitingThread | undefined> {
  const read = (name: string) =>
    readFile(`/proc/${pid}/task/${thread}/${name}`, "latin1").then(
      (text) => text.trim(),
      () => "",
    );
  const [stat, syscall, wchan, comm] = await Promise.all(["stat", "syscall", "wchan", "comm"].map(read));
  const { state } = parseStat(stat ?? "") ?? {};
  if (state === undefined || state === "Z" || state === "X") return undefined;
  return {
    ...{ pid, thread, state },
    program: Buffer.from(comm ?? "", "latin1").toString(),
    call: callOf(syscall ?? ""),
    wait: wchan === "0" || wchan === undefined || wchan === "" ? null : wchan.slice(0, maxName),
    stack: state === "D" ? framesOf(await read("stack")) : [],
  };
}

/** The name of the call in a line of `syscall`, which begins with its number, -1 for none, or `running`. */
export function callOf(line: string): string | null {
  const number = /^\d+/.exec(line)?.[0];
  if (number === undefined) return null;
  return systemCallName(Number(number), supportedArchitecture()) ?? `call ${number}`;
}

/** The functions in the lines of `stack`, such as `[<0>] futex_wait_queue+0x6a/0xa0`. */
export function framesOf(stack: string): string[] {
  const names = stack.split("\n").flatMap((line) => /^\[<[^>]*>\] ([\w.]+)/.exec(line)?.[1] ?? []);
  return names.slice(0, maxFrames).map((name) => name.slice(0, maxName));
}

/** Pids of the children that a thread has started; none if the kernel does not tell. */
async function childrenOf(pid: number, thread: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${thread}/children`, "latin1").catch(() => "");
  return text.split(" ").filter(Boolean).map(Number);
}
