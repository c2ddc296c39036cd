/** Converts errors of LMDB and of the file system into the event log's errors. */
import { getSystemErrorName } from "node:util";
import { DriverError, messageOf } from "../base/errors.ts";

/**
 * @param call what failed: `open`, `read`, `commit` or `watch`
 * @param path the log's folder
 */
export function storeError(thrown: unknown, call: string, path: string): DriverError {
  if (thrown instanceof DriverError) return thrown;
  const errno = errnoName(thrown);
  const done = participles[call] ?? call;
  // An errno says enough without the library's words.
  const summary = `the event log cannot be ${done}${errno === undefined ? `: ${messageOf(thrown)}` : ""}`;
  const failed = { call, path, ...(errno === undefined ? {} : { errno }) };
  const hint = call === "watch" ? WATCH_HINT : HINTS[errno ?? ""];
  return new DriverError(hint === damageHint ? "STORE_DAMAGED" : "STORE_FAILED", summary, {
    failed,
    hint,
    recoverable: call === "commit",
    cause: thrown,
  });
}

export const damageHint = "When the plugin starts, it renames the damaged log and begins a new one";

const participles: Readonly<Record<string, string>> = {
  open: "opened",
  read: "read",
  commit: "written",
  watch: "followed",
};

/** inotify(7) reports its own limits as ENOSPC and EMFILE. */
const WATCH_HINT = "Raise the limits fs.inotify.max_user_watches and fs.inotify.max_user_instances";

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "Free space on the file system of state_dir",
  EDQUOT: "Free space on the file system of state_dir",
  // LMDB also reports EIO for a short write.
  EIO: "The disk of state_dir is full or failing",
  EROFS: "Mount the file system of state_dir read-write",
  // Every transaction fails with this errno after a fatal error of LMDB's environment.
  EINVAL: "An earlier disk error has closed the log: restart the plugin",
  MDB_PANIC: "An earlier disk error has closed the log: restart the plugin",
  MDB_CORRUPTED: damageHint,
  MDB_PAGE_NOTFOUND: damageHint,
  MDB_INVALID: damageHint,
  MDB_READERS_FULL: "Too many processes read the log: end some of them",
};

/** LMDB's own errors, in the order of their numbers in lmdb.h. The first is -30799. */
const LMDB_ERRORS = [
  "MDB_KEYEXIST",
  "MDB_NOTFOUND",
  "MDB_PAGE_NOTFOUND",
  "MDB_CORRUPTED",
  "MDB_PANIC",
  "MDB_VERSION_MISMATCH",
  "MDB_INVALID",
  "MDB_MAP_FULL",
  "MDB_DBS_FULL",
  "MDB_READERS_FULL",
  "MDB_TLS_FULL",
  "MDB_TXN_FULL",
  "MDB_CURSOR_FULL",
  "MDB_PAGE_FULL",
  "MDB_MAP_RESIZED",
  "MDB_INCOMPATIBLE",
  "MDB_BAD_RSLOT",
  "MDB_BAD_TXN",
  "MDB_BAD_VALSIZE",
  "MDB_BAD_DBI",
  "MDB_PROBLEM",
  "MDB_BAD_CHECKSUM",
  "MDB_CRYPTO_FAIL",
  "MDB_ENV_ENCRYPTION",
  "MDB_LOCK_FAILURE",
  "MDB_EMPTY_TXN",
];

/** lmdb's errors have a numeric code: an errno, or one of LMDB's own. */
function errnoName(thrown: unknown): string | undefined {
  const code = (thrown as { readonly code?: unknown }).code;
  if (typeof code === "string") return code;
  if (typeof code !== "number") return undefined;
  return code > 0 ? getSystemErrorName(-code) : LMDB_ERRORS[code + 30_799];
}

/** The error for a log that can never be used again. @param path the log's file */
export function damaged(path: string, why: string): DriverError {
  return new DriverError("STORE_DAMAGED", `the event log ${path} is damaged: ${why}`, { hint: damageHint });
}

/**
 * Another writer appended first. This is the only error of the event log that a caller may want to handle.
 */
export class WrongExpectedVersion extends DriverError {
  readonly stream: string;
  readonly expected: number;
  /** Actual number of the stream's last event. */
  readonly current: number;

  constructor(stream: string, expected: number, current: number) {
    const summary = `stream ${stream} is at version ${current}, not at ${expected} as expected`;
    super("WRONG_EXPECTED_VERSION", summary, { hint: "Read the stream again, decide again, append again" });
    this.stream = stream;
    this.expected = expected;
    this.current = current;
  }
}
