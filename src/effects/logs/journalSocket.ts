/** Connections to systemd-journald. */
import { closeSync, writeSync } from "node:fs";
import { DriverError, type FailedCall } from "../../base/errors.ts";
import * as k from "../kernel/constants.ts";
import { connectUnix, setSocketNumber, socket } from "../kernel/sockets.ts";
import { type JournalStream, journalHeader, journalSocket } from "./journal.ts";

/**
 * Connects to journald as the root of this host, whose word on the unit it takes while it cannot see the
 * writer's cgroup. Never waits.
 * @param cgroup the task's
 * @returns a descriptor for the caller to close; its writes do not block
 * @throws DriverError `JOURNAL_UNAVAILABLE`; recoverable unless this host has no such journal
 */
export function connectJournal(stream: JournalStream, cgroup: string): number {
  return connected(stream.namespace, journalHeader(stream, cgroup));
}

/**
 * Why journald takes no stream; undefined if it takes one.
 * @param namespace of the journal
 */
export function journalProblem(namespace: string | null): string | undefined {
  try {
    closeSync(connected(namespace, ""));
    return undefined;
  } catch (thrown) {
    return DriverError.from(thrown, "JOURNAL_UNAVAILABLE", "").summary;
  }
}

/** @throws DriverError `JOURNAL_UNAVAILABLE` */
function connected(namespace: string | null, header: string): number {
  const path = journalSocket(namespace);
  using undo = new DisposableStack();
  try {
    const journal = undo.adopt(socket(k.AF_UNIX, k.SOCK_STREAM), closeSync);
    connectUnix(journal, path);
    // Only then each message says who sent it: journald asks for it after it has accepted the connection, and takes
    // the unit of a message that came before for nobody's (SO_PASSCRED of unix(7), on either side).
    setSocketNumber(journal, k.SO_PASSCRED, 1);
    if (header !== "") writeSync(journal, header);
    undo.move();
    return journal;
  } catch (thrown) {
    const { failed } = DriverError.from(thrown, "JOURNAL_UNAVAILABLE", "");
    throw unavailable(path, namespace, failed);
  }
}

function unavailable(path: string, namespace: string | null, failed: FailedCall | undefined): DriverError {
  const isMissing = failed?.errno === "ENOENT";
  const unit = namespace === null ? "systemd-journald" : `systemd-journald@${namespace}`;
  return new DriverError("JOURNAL_UNAVAILABLE", `journald takes no output: ${path} ${meaningOf(failed)}`, {
    ...(failed && { failed: { ...failed, path } }),
    hint: `Start ${unit}.socket and ${unit}.service on this node, or choose another log_collection for the task`,
    recoverable: !isMissing,
  });
}

function meaningOf(failed: FailedCall | undefined): string {
  switch (failed?.errno) {
    case "ENOENT":
      return "does not exist on this node";
    case "ECONNREFUSED":
      return "has no listener";
    case "EAGAIN":
      return "has more waiting connections than it takes";
    default:
      return "cannot be connected to";
  }
}
