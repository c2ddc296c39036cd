/**
 * The ends of the agent's log pipes that become a task's standard output and
 * error.
 *
 * The pipes are in a folder that tasks may be able to write to (`alloc/logs`), so nothing at
 * their path can be trusted. At any moment a task may put a symlink, a file or a
 * link to another pipe there. Therefore the path is resolved once, to a descriptor.
 * All later steps (checks, open, change of owner) use that descriptor.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  writeSync,
} from "node:fs";
import { relative } from "node:path";
import { DriverError, errnoOf, type FailedCall, lineOf } from "../../base/errors.ts";
import { visible } from "../../units/visible.ts";
import { O_PATH, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../kernel/constants.ts";
import { fcntlSetFlags, openat2, pipe2 } from "../kernel/libc.ts";
import type { RootMode, TaskFolders } from "../layout/layout.ts";
import { folderInTask } from "../layout/taskFolderCheck.ts";
import type { Destination, LogPipes } from "./destination.ts";
import { journalCommand } from "./journal.ts";
import { addOwnLine, type LogPlace } from "./logFiles.ts";

/**
 * @param path of a FIFO below the allocation's folder, or `/dev/null` if the task's logs are disabled
 * @param allocDir the allocation's private folder; only paths below it are untrusted
 * @param owner the task's ids: they become the FIFO's owner, so that the task can reopen `/dev/stdout`
 * @returns a descriptor, close-on-exec, whose writes block while the pipe is full
 * @throws DriverError `LOG_PIPE_UNSAFE` for anything but such a FIFO
 * @throws DriverError `LOG_PIPE_NO_READER`, recoverable, if the agent's log collector does not read it
 */
export function openLogPipe(
  path: string,
  allocDir: string,
  owner: { readonly uid: number; readonly gid: number },
): number {
  if (path === "/dev/null") return openSync(path, constants.O_WRONLY);
  const pipe = openFifo(path, allocDir, owner.uid);
  try {
    fcntlSetFlags(pipe, 0);
    fchownSync(pipe, owner.uid, owner.gid);
    return pipe;
  } catch (thrown) {
    closeSync(pipe);
    throw thrown;
  }
}

/** A pipe for a stream of a task's output that the driver collects. */
export interface OwnLogPipe {
  /** For the task. */
  readonly write: number;
  /** For the logger. */
  readonly read: number;
}

/**
 * Makes a pipe for the driver's own logger. The task can open `/dev/stdout` again, and may have changed its user
 * by then: the path leads there only from the task's own processes.
 * @param owner the task's ids
 */
export function makeOwnLogPipe(owner: { readonly uid: number; readonly gid: number }): OwnLogPipe {
  const pipe = pipe2();
  fchownSync(pipe.write, owner.uid, owner.gid);
  fchmodSync(pipe.write, 0o622);
  return pipe;
}

/**
 * Adds a line to a task's log that says why the task was not started, for people who read only the log. The
 * agent gets the error itself. Without a reader, or without room in the pipe, no line is written.
 * @param to where the task's output goes: only the agent has a pipe
 * @returns false if the line could not be added
 */
export function logStartError(
  path: string,
  allocDir: string,
  error: DriverError,
  to: Destination["to"] = "agent",
): boolean {
  return path !== "/dev/null" && addLine({ allocDir, pipe: path }, lineOf(error), to);
}

/** @returns false if the line could not be added */
function addLine({ allocDir, pipe }: LogPlace, text: string, to: Destination["to"], repeats = true): boolean {
  const line = `${text.slice(0, LINE_CHARACTERS)}\n`;
  try {
    if (to !== "files") writeToFifo(pipe, allocDir, line);
    else addOwnLine({ allocDir, pipe }, line, { repeats });
    return true;
  } catch {
    // Of a task whose output is in journald, the agent may have made the pipes, or not.
    return to === "journald" && addLine({ allocDir, pipe }, text, "files", repeats);
  }
}

function writeToFifo(path: string, allocDir: string, line: string): void {
  const opened = openFifo(path, allocDir);
  try {
    writeSync(opened, line);
  } finally {
    closeSync(opened);
  }
}

/**
 * Says in a task's log files where its output is, if journald takes it: through the agent's pipe if the agent has
 * made one, and in a file of the driver's else. Nothing else of the run comes there.
 */
export function tellDestination({ output, resources, ...pipes }: OutputRequest): void {
  if (output.to !== "journald") return;
  const command = journalCommand(output.stream, resources.cgroup);
  const text = `[exec2: the output of this task is in journald: ${command}]`;
  addLine({ allocDir: pipes.allocDir, pipe: pipes.stdoutPath }, text, "journald", false);
  // The agent's collector has read all that comes.
  endLogs(pipes);
}

/** Says in a task's log files, beside the line of {@link tellDestination}, that the end of its output may be missing. */
export function tellCut({ stdoutPath, allocDir }: LogPipes): void {
  const text =
    "[exec2: the end of this output may be missing: the process that passed it to journald was killed]";
  addLine({ allocDir, pipe: stdoutPath }, text, "journald", false);
}

/** What a request says of the task's output. */
export interface OutputRequest extends LogPipes {
  readonly output: Destination;
  readonly resources: { readonly cgroup: string };
}

/**
 * Lets the agent's log collector see the end of both logs of a run for which this process has not opened them.
 * A collector whose pipe nobody has opened for writing waits in open(2), and its agent waits two seconds for
 * each pipe before the task's end is final. While a run has a pipe open, this changes nothing.
 */
export function endLogs({ stdoutPath, stderrPath, allocDir }: LogPipes): void {
  for (const path of [stdoutPath, stderrPath]) {
    if (path === "/dev/null") continue;
    try {
      closeSync(openFifo(path, allocDir));
    } catch {
      // No collector reads the pipe, or it is none that the agent has made.
    }
  }
}

/**
 * Keeps the writing end of a task's log open beyond the task's end, to add a last line. Otherwise the
 * collector would see the end of file when the task ends. Writes do not block.
 */
export class LastLine implements Disposable {
  #pipe: number | undefined;

  /** @param pipe as {@link openLogPipe} returns it */
  constructor(pipe: number) {
    this.#pipe = openSync(`/proc/self/fd/${pipe}`, constants.O_WRONLY | constants.O_NONBLOCK);
  }

  /** Adds a line, if there is room. */
  write(line: string): void {
    if (this.#pipe === undefined) return;
    try {
      writeSync(this.#pipe, `${visible(line).slice(0, LINE_CHARACTERS)}\n`);
    } catch {
      // The line is only for people who read the log. The history has the same text.
    }
  }

  [Symbol.dispose](): void {
    if (this.#pipe !== undefined) closeSync(this.#pipe);
    this.#pipe = undefined;
  }
}

/**
 * Maximum length of a line. Even with three bytes per character, a line is shorter than `PIPE_BUF`, so other
 * writers' output cannot interleave: pipe(7).
 */
const LINE_CHARACTERS = 1_300;

/**
 * Opens a log pipe for writes that do not block.
 * @param uid the task's user, if the pipe is for the task's output
 */
function openFifo(path: string, allocDir: string, uid?: number): number {
  const found = find(path, allocDir);
  try {
    checkFifo(found, path, uid);
    return openForWriting(found, path);
  } finally {
    closeSync(found);
  }
}

/** Finds the file without opening it (`O_PATH`), because opening a device or a pipe has side effects. */
function find(path: string, allocDir: string): number {
  const folder = openSync(allocDir, constants.O_DIRECTORY);
  try {
    const below = relative(allocDir, path) || ".";
    return openat2(folder, below, { flags: O_PATH, resolve: RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH });
  } catch (thrown) {
    throw refused(path, thrown);
  } finally {
    closeSync(folder);
  }
}

/**
 * Checks a pipe's type, hard links and owner. The owner is root before the task's first start, and the task's
 * user afterwards. A pipe with another owner is a trap.
 */
function checkFifo(found: number, path: string, uid?: number): void {
  const status = fstatSync(found);
  if (!status.isFIFO()) throw unsafe(path, "it is not a FIFO");
  if (status.nlink !== 1) throw unsafe(path, "it has another hard link");
  if (uid !== undefined && status.uid !== 0 && status.uid !== uid) {
    throw unsafe(path, `it belongs to user ${status.uid}, not to the agent's user or the task's`);
  }
}

/** Opens without blocking: otherwise a FIFO without a reader would block the whole plugin. */
function openForWriting(found: number, path: string): number {
  try {
    return openSync(`/proc/self/fd/${found}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENXIO") throw thrown;
    throw noReader(path, "no process reads the task's log pipe", { call: "open", path, errno: "ENXIO" });
  }
}

function refused(path: string, thrown: unknown): unknown {
  const failed = thrown instanceof DriverError ? thrown.failed : undefined;
  switch (failed?.errno) {
    case "ELOOP":
      return unsafe(path, "its path contains a symlink", failed);
    case "EXDEV":
    case "ENOTDIR":
      return unsafe(path, "it leads out of the allocation's folder", failed);
    case "ENOENT":
      return noReader(path, "the task's log pipe does not exist", failed);
    default:
      return thrown;
  }
}

function unsafe(path: string, why: string, failed?: FailedCall): DriverError {
  return new DriverError("LOG_PIPE_UNSAFE", `log pipe ${path} is unsafe: ${why}`, {
    ...(failed ? { failed } : {}),
    hint: "A task of the allocation may have replaced it: restart the allocation on another node, and check its logs folder",
  });
}

function noReader(path: string, summary: string, failed: FailedCall): DriverError {
  return new DriverError("LOG_PIPE_NO_READER", summary, {
    failed: { ...failed, path },
    hint: "The agent's log collector makes and reads the pipe. It is safe to try again",
    recoverable: true,
  });
}

/**
 * The paths at which a task sees its allocation's log folder, `alloc/logs`. No path contains a symlink. The
 * task must not write there.
 *
 * The agent writes and rotates the logs there as root, and would follow a symlink that a task has made:
 * CVE-2026-6959. A task needs no access to the folder, because it gets its log pipes as descriptors.
 * @param allocDir the allocation's private folder, which contains the same `alloc/logs`
 * @param root what the task sees at `/`; in the host's tree the task sees the private folder, too
 * @returns none if there is no such folder
 * @throws DriverError `LOG_PIPE_UNSAFE` if something else is in its place
 */
export function allocLogFolders(
  { allocDir: shared }: Pick<TaskFolders, "allocDir">,
  allocDir: string,
  root: RootMode,
): string[] {
  const around = root === "host" ? [shared, `${allocDir}/alloc`] : [shared];
  return [...new Set(around.flatMap((folder) => logFolderIn(folder, root)))];
}

function logFolderIn(folder: string, root: RootMode): string[] {
  const path = `${folder}/logs`;
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return [];
  if (status.isDirectory()) return [`${folderInTask(folder, root)}/logs`];
  throw new DriverError("LOG_PIPE_UNSAFE", `${path} is unsafe: it is not a folder`, {
    hint: "A task of the allocation may have replaced it: restart the allocation on another node, and find out who did it",
  });
}
