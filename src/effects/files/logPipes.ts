/**
 * The ends of the agent's log pipes that become a task's standard output and
 * error.
 *
 * The pipes lie in a folder where tasks may write (`alloc/logs`), so nothing at
 * their path is to be trusted: a task may put a symlink, a file or a link to
 * somebody else's pipe there, at any moment. Therefore the path is walked once,
 * what was found is held by a descriptor, and everything after that (checks,
 * open, change of owner) goes by the descriptor.
 */
import { closeSync, constants, fchownSync, fstatSync, openSync, writeSync } from "node:fs";
import { relative } from "node:path";
import { DriverError, errnoOf, type FailedCall, lineOf } from "../../errors.ts";
import { O_PATH, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from "../kernel/constants.ts";
import { fcntlSetFlags, openat2 } from "../kernel/libc.ts";

/**
 * @param path of a FIFO below the allocation's folder, or `/dev/null` where the task's logs are disabled
 * @param allocDir the allocation's private folder; only what is below it is mistrusted
 * @param owner the task's ids: it gets the FIFO, so that it can open `/dev/stdout` anew
 * @returns a descriptor, close-on-exec, whose writes block while the pipe is full
 * @throws DriverError `LOG_PIPE_UNSAFE` for anything but such a FIFO
 * @throws DriverError `LOG_PIPE_NO_READER`, recoverable, where the agent's log collector does not read it
 */
export function openLogPipe(
  path: string,
  allocDir: string,
  owner: { readonly uid: number; readonly gid: number },
): number {
  if (path === "/dev/null") return openSync(path, constants.O_WRONLY);
  const pipe = openFifo(path, allocDir);
  try {
    fcntlSetFlags(pipe, 0);
    fchownSync(pipe, owner.uid, owner.gid);
    return pipe;
  } catch (thrown) {
    closeSync(pipe);
    throw thrown;
  }
}

/**
 * Adds a line to a task's log that tells why it was not started, where somebody
 * reads the log and there is room: nobody waits for that. It is for who looks
 * there alone; the error itself goes to the agent.
 * @returns false where it could not be added
 */
export function logStartError(path: string, allocDir: string, error: DriverError): boolean {
  if (path === "/dev/null") return false;
  try {
    const pipe = openFifo(path, allocDir);
    try {
      writeSync(pipe, `${lineOf(error).slice(0, LINE_CHARACTERS)}\n`);
      return true;
    } finally {
      closeSync(pipe);
    }
  } catch {
    return false;
  }
}

/** Below `PIPE_BUF`, pipe(7), even where each takes three bytes: such a write is not interleaved with others. */
const LINE_CHARACTERS = 1_300;

/** Such a FIFO, whose writes do not block. */
function openFifo(path: string, allocDir: string): number {
  const found = find(path, allocDir);
  try {
    checkFifo(found, path);
    return openForWriting(found, path);
  } finally {
    closeSync(found);
  }
}

/** A descriptor that names what is at the path without opening it: to open a device or a pipe has effects. */
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

function checkFifo(found: number, path: string): void {
  const status = fstatSync(found);
  if (!status.isFIFO()) throw unsafe(path, "it is no FIFO");
  if (status.nlink !== 1) throw unsafe(path, "it has a second name elsewhere");
}

/** Non-blocking, since the open of a FIFO without a reader would otherwise hold the whole plugin. */
function openForWriting(found: number, path: string): number {
  try {
    return openSync(`/proc/self/fd/${found}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENXIO") throw thrown;
    throw noReader(path, "nobody reads the task's log pipe", { call: "open", path, errno: "ENXIO" });
  }
}

function refused(path: string, thrown: unknown): unknown {
  const failed = thrown instanceof DriverError ? thrown.failed : undefined;
  switch (failed?.errno) {
    case "ELOOP":
      return unsafe(path, "there is a symlink in it", failed);
    case "EXDEV":
    case "ENOTDIR":
      return unsafe(path, "it leads out of the allocation's folder", failed);
    case "ENOENT":
      return noReader(path, "the task's log pipe is not there", failed);
    default:
      return thrown;
  }
}

function unsafe(path: string, why: string, failed?: FailedCall): DriverError {
  return new DriverError("LOG_PIPE_UNSAFE", `log pipe ${path} is not to be trusted: ${why}`, {
    ...(failed ? { failed } : {}),
    hint: "A task of the allocation may have replaced it: restart the allocation on another node, and look at its logs folder",
  });
}

function noReader(path: string, summary: string, failed: FailedCall): DriverError {
  return new DriverError("LOG_PIPE_NO_READER", summary, {
    failed: { ...failed, path },
    hint: "The agent's log collector makes and reads it: trying again is safe",
    recoverable: true,
  });
}
