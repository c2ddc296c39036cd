/** What the black box had of a failed run, as its event `exited` records it. Pure. */
import { z } from "zod";

/** A process, by its pid on the host, and its name, which it chooses itself. */
const program = { pid: z.number(), program: z.string() };

/** Milliseconds since the epoch. */
const at = z.number();

/** The thread that made the call, by its pid on the host. Missing in earlier events. */
const thread = z.number().optional();

const missedPath = z.object({ path: z.string(), ...program, thread, at });

const failedCall = z.object({
  /** Name of the system call. */
  call: z.string(),
  /** Name of the errno. */
  error: z.string(),
  /** Path or address that the call named; null if it named none. */
  object: z.string().nullable(),
  ...program,
  thread,
  at,
});

const sentSignal = z.object({
  signal: z.number(),
  /** The process that got it, by its pid on the host. */
  target: z.number(),
  /** Who sent it; null: the kernel, of its own accord. */
  sender: z.object({ ...program, user: z.string(), isOwn: z.boolean() }).nullable(),
  at,
});

const crash = z.object({
  signal: z.number(),
  /** The program or library with the instruction that failed; null: no file has it. */
  file: z.string().nullable(),
  /** Offset of the instruction in the file, in bytes. */
  offset: z.number(),
  ...program,
  at,
});

const processEnd = z.object({
  exitCode: z.number(),
  ...program,
  /** The thread that ended the process, by its pid on the host. */
  thread: z.number(),
  at,
});

export const blackBox = z.object({
  /** Paths that the host has, and that the run looked for in its root, where nothing is; the last one last. */
  missed: z.array(missedPath),
  /** The last failed calls, the last one last. */
  calls: z.array(failedCall),
  /** Signals that end or stop a process, the last one last. */
  signals: z.array(sentSignal),
  /** The last crash; null: there was none, or the kernel cannot tell. */
  crash: crash.nullable(),
  /** The last processes that ended by themselves, the last one last. Missing in earlier events. */
  ends: z.array(processEnd).optional(),
});

export type BlackBoxRecord = z.infer<typeof blackBox>;

/** Where a process crashed, such as `in /usr/lib/libc.so.6 at 0x165859`. */
export function placeOfCrash({ file, offset }: NonNullable<BlackBoxRecord["crash"]>): string {
  return file === null ? "outside of any file's code" : `in ${file} at 0x${offset.toString(16)}`;
}

/** A process that is not the task's, such as `pid 4711 (systemd), user root`. */
export function strangerText({ pid, program, user }: Sender): string {
  return `pid ${pid} (${program}), user ${user}`;
}

type Sender = NonNullable<BlackBoxRecord["signals"][number]["sender"]>;
