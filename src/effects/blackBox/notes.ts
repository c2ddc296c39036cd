/**
 * The notes that the BPF programs of programs.ts write about a run: failed system calls, signals, crashes, and ends of
 * processes. Their layout, and decoding them. Pure.
 */
import { AF_INET, AF_INET6 } from "../kernel/constants.ts";
import { errnoName } from "../kernel/kernelError.ts";
import { type Architecture, systemCallName } from "../kernel/systemCalls.ts";

/** The kinds of notes. Of a call, the kind says what the text is. */
export const noteKinds = {
  /** A name, and the folders where it begins if it is relative, the innermost first; each ends with a NUL. */
  name: 1,
  /** A `struct sockaddr_in` or `sockaddr_in6`. */
  address: 2,
  /** There is no text. */
  plain: 3,
  /** A signal. The text has the fields of {@link signalLayout}. */
  signal: 4,
  /** A crash. The text has the names of the file's path in reverse order; the hash is the offset in the file. */
  crash: 5,
  /** The end of a process. There is no text; the result is the exit code. */
  end: 6,
} as const;

/** Offsets in a note, and its size. */
export const noteLayout = {
  /** Nanoseconds of CLOCK_MONOTONIC. */
  time: 0,
  /** Number of the watched run. */
  run: 8,
  /** Process that made the call or sent the signal, and its user, by their ids on the host. */
  pid: 12,
  uid: 16,
  /** Number of the call or signal. */
  number: 20,
  /** Errno of the call; `si_code` of the signal; exit code of the process. */
  result: 24,
  kind: 28,
  /** Name of the process. */
  program: 32,
  programBytes: 16,
  /** Of a call: a hash of what was noted, but for the process. */
  hash: 48,
  text: 56,
  textBytes: 768,
  /** Thread that made the call. */
  thread: 824,
  bytes: 832,
} as const;

/** Offsets in the note of a signal. */
export const signalLayout = {
  /**
   * Id of the sender's cgroup; if that is not the receiver's part, of the one above it that is right below the
   * run's, or 0.
   */
  senderPart: noteLayout.text,
  /**
   * Id of the part of the run that the receiver is in: the run's cgroup, or one right below it, such as the root
   * of a task's own cgroups, or that of a command.
   */
  part: noteLayout.text + 8,
  /** The process that got the signal. */
  target: noteLayout.text + 16,
} as const;

interface NoteBody {
  /** Nanoseconds of CLOCK_MONOTONIC. */
  readonly timeNs: bigint;
  /** The process that made the call or sent the signal, by its pid on the host. */
  readonly pid: number;
  /** Name of this process; it chooses the name itself. */
  readonly program: string;
}

export interface FailedCall extends NoteBody {
  readonly kind: "call";
  /** The thread that made the call; the first thread of a process has its pid. */
  readonly thread: number;
  /** Such as `openat`, or the call's number if the driver does not know it. */
  readonly call: string;
  /** Such as `ENOENT`. */
  readonly error: string;
  /** The path as the task sees it; undefined if the call has none, or if it could not be read. */
  readonly path?: string;
  /** Such as `10.0.0.1:443` or `[::1]:80`. */
  readonly address?: string;
}

export interface SentSignal extends NoteBody {
  readonly kind: "signal";
  readonly signal: number;
  /** User of the sender. */
  readonly uid: number;
  /** The process that got it, by its pid on the host. */
  readonly target: number;
  /** Whether the kernel sent it, of its own accord. The sender is then only who was running. */
  readonly isOfKernel: boolean;
  /** Whether the sender is a process of the run, and no command in it or, for a command, another one. */
  readonly isOwn: boolean;
}

export interface Crash extends NoteBody {
  readonly kind: "crash";
  readonly signal: number;
  /** The file with the instruction that failed: the program or a library. Undefined: there is none. */
  readonly file?: string;
  /** Offset of the instruction in the file. */
  readonly offset: number;
}

/** A process that ended by exit_group(2), as exit(3) and a return from `main` do. */
export interface ProcessEnded extends NoteBody {
  readonly kind: "end";
  /** The thread that ended it. */
  readonly thread: number;
  readonly exitCode: number;
}

export type Note = FailedCall | SentSignal | Crash | ProcessEnded;

/** `si_code` of a signal that the kernel sent: SI_KERNEL of sigaction(2). */
export const SI_KERNEL = 0x80;

/** @returns undefined for a note of another run */
export function readNote(bytes: Buffer, run: number, architecture: Architecture): Note | undefined {
  const word = (offset: number) => bytes.readUInt32LE(offset);
  if (word(noteLayout.run) !== run) return undefined;
  const { program, programBytes } = noteLayout;
  const body: NoteBody = {
    timeNs: bytes.readBigUInt64LE(noteLayout.time),
    pid: word(noteLayout.pid),
    program: bytes.toString("utf8", program, program + programBytes).split("\0", 1)[0] ?? "",
  };
  const number = word(noteLayout.number);
  const result = bytes.readInt32LE(noteLayout.result);
  const kind = word(noteLayout.kind);
  if (kind === noteKinds.signal) {
    const { senderPart, part, target } = signalLayout;
    return {
      ...body,
      kind: "signal",
      signal: number,
      uid: word(noteLayout.uid),
      target: word(target),
      isOfKernel: isOfKernel(result),
      isOwn: bytes.readBigUInt64LE(senderPart) === bytes.readBigUInt64LE(part),
    };
  }
  if (kind === noteKinds.crash) {
    const names = textsOf(bytes);
    const file = names.length === 0 ? {} : { file: `/${names.toReversed().join("/")}` };
    const offset = Number(bytes.readBigUInt64LE(noteLayout.hash));
    return { ...body, kind: "crash", signal: number, ...file, offset };
  }
  if (kind === noteKinds.end)
    return { ...body, kind: "end", thread: word(noteLayout.thread), exitCode: result };
  const path = kind === noteKinds.name ? pathOf(bytes) : undefined;
  const address = kind === noteKinds.address ? addressOf(bytes) : undefined;
  return {
    ...body,
    kind: "call",
    thread: word(noteLayout.thread),
    call: systemCallName(number, architecture) ?? `call ${number}`,
    error: errnoName(result),
    ...(path !== undefined && { path }),
    ...(address !== undefined && { address }),
  };
}

/** kill(2), tgkill(2) and sigqueue(3) have codes of 0 and below. Of these, timers have some, too. */
function isOfKernel(code: number): boolean {
  return code > 0 || (code < SI_QUEUE && code !== SI_TKILL);
}

const SI_QUEUE = -1;
const SI_TKILL = -6;

/** The path of a name: a relative name begins in a folder. */
function pathOf(bytes: Buffer): string | undefined {
  const [name = "", ...folder] = textsOf(bytes);
  if (name === "" || name.startsWith("/")) return name === "" ? undefined : name;
  return `/${[...folder.toReversed(), name].join("/")}`;
}

function textsOf(bytes: Buffer): string[] {
  const texts = bytes.toString("utf8", noteLayout.text, noteLayout.text + noteLayout.textBytes).split("\0");
  return texts.slice(0, texts.indexOf(""));
}

function addressOf(bytes: Buffer): string | undefined {
  const at = noteLayout.text;
  const family = bytes.readUInt16LE(at);
  const port = bytes.readUInt16BE(at + 2);
  if (family === AF_INET) return `${[...bytes.subarray(at + 4, at + 8)].join(".")}:${port}`;
  if (family !== AF_INET6) return undefined;
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(at + 8 + index * 2).toString(16));
  // URL shortens an address as RFC 5952 says.
  return `${new URL(`http://[${words.join(":")}]`).hostname}:${port}`;
}
