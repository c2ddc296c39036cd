/** Makes the record of a failed run from the notes of the black box. Pure. */
import { posix } from "node:path";
import type { FailedCall, Note, ProcessEnded, SentSignal } from "../../effects/blackBox/notes.ts";
import type { BlackBoxRecord } from "../../machines/events/blackBox.ts";

/** Maximum lengths of the record's lists. */
const maxMissed = 8;
const maxCalls = 12;
/** The newest calls stay, whatever they are: the last one before the end tells most. */
const newestCalls = 4;
const maxSignals = 4;
const maxEnds = 4;

/** Maximum number of paths to look up on the host. */
const maxLookUps = 32;

/** A path that a process looked for where nothing is. */
export interface LookedFor {
  readonly path: string;
  readonly note: FailedCall;
}

/** The paths that were looked for and not found, each with its last look-up, the last one last. */
export function lookedFor(notes: readonly Note[]): LookedFor[] {
  const last = new Map<string, LookedFor>();
  for (const note of notes) {
    if (note.kind !== "call" || note.path === undefined || !isAbsent(note)) continue;
    const path = posix.normalize(note.path);
    last.delete(path);
    last.set(path, { path, note });
  }
  return [...last.values()].slice(-maxLookUps);
}

function isAbsent({ error }: FailedCall): boolean {
  return error === "ENOENT" || error === "ENOTDIR";
}

/** What the record takes from the host. */
export interface RecordContext {
  /** The time of a note, in milliseconds since the epoch, as exact as the note: calls follow within microseconds. */
  readonly timeOf: (note: Note) => number;
  /** The name of a user. */
  readonly userOf: (uid: number) => string;
  /** Pid of the driver, which sends signals for the agent. */
  readonly driver: number;
  /** Pid of the run's main process; undefined if unknown. */
  readonly main: number | undefined;
}

/**
 * @param notes in the order of their times
 * @param missed what the host has of {@link lookedFor}, although the run's root has nothing there
 */
export function recordOf(
  notes: readonly Note[],
  missed: readonly LookedFor[],
  context: RecordContext,
): BlackBoxRecord {
  const { timeOf } = context;
  const listed = new Set(missed.map(({ note }) => note));
  const calls = notes.filter((note) => note.kind === "call").filter((note) => !listed.has(note));
  const signals = notes.filter((note) => note.kind === "signal");
  const ends = lastEnds(notes, context.main);
  return {
    missed: missed.slice(-maxMissed).map(({ path, note }) => ({
      ...{ path, pid: note.pid, thread: note.thread, program: note.program },
      at: timeOf(note),
    })),
    calls: chosen(calls, ends).map((note) => ({
      ...{ call: note.call, error: note.error, object: note.path ?? note.address ?? null },
      ...{ pid: note.pid, thread: note.thread, program: note.program, at: timeOf(note) },
    })),
    signals: signals.slice(-maxSignals).map((note) => ({
      ...{ signal: note.signal, target: note.target, sender: senderOf(note, context) },
      at: timeOf(note),
    })),
    crash: crashIn(notes, context),
    ends: ends.map((note) => ({
      ...{ exitCode: note.exitCode, pid: note.pid, program: note.program, thread: note.thread },
      at: timeOf(note),
    })),
  };
}

/** The last ends up to that of the main process. What its end has killed tells nothing of the cause. */
function lastEnds(notes: readonly Note[], main: number | undefined): ProcessEnded[] {
  const ends = notes.filter((note) => note.kind === "end");
  const last = ends.findLastIndex(({ pid }) => pid === main);
  return ends.slice(0, last + 1 || undefined).slice(-maxEnds);
}

/**
 * The calls to keep, in the order of their times: the newest ones, the last one of each thread that has ended a process,
 * and the last one for each call and errno. What was not found comes last, because programs look for much that is
 * nowhere.
 */
function chosen(calls: readonly FailedCall[], ends: readonly ProcessEnded[]): FailedCall[] {
  const newestFirst = calls.toReversed();
  const ofKind = new Map<string, FailedCall>();
  for (const note of newestFirst) {
    const kind = `${note.call} ${note.error}`;
    if (!ofKind.has(kind)) ofKind.set(kind, note);
  }
  const ofEnds = ends.flatMap((end) => newestFirst.find(({ thread }) => thread === end.thread) ?? []);
  const [absent, others] = [newestFirst.filter(isAbsent), newestFirst.filter((note) => !isAbsent(note))];
  const kept = new Set([
    ...newestFirst.slice(0, newestCalls),
    ...ofEnds.toReversed(),
    ...[...ofKind.values()].filter((note) => !isAbsent(note)),
    ...[...others, ...absent],
  ]);
  const first = new Set([...kept].slice(0, maxCalls));
  return calls.filter((note) => first.has(note));
}

function crashIn(notes: readonly Note[], { timeOf }: RecordContext): BlackBoxRecord["crash"] {
  const last = notes.findLast((note) => note.kind === "crash");
  if (last === undefined) return null;
  const { signal, file = null, offset, pid, program } = last;
  return { signal, file, offset, pid, program, at: timeOf(last) };
}

function senderOf(note: SentSignal, { userOf, driver }: RecordContext) {
  const { pid, program, uid, isOwn, isOfKernel } = note;
  if (isOfKernel) return null;
  return { pid, program: pid === driver ? "nomad-driver-exec2" : program, user: userOf(uid), isOwn };
}
