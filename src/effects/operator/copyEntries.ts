/** Copies a folder or file of a task's, or into one, and says what a person has to know of the copy. */
import type { BigIntStats } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import type { FileUser } from "../kernel/fileUser.ts";
import type { Remark } from "./copiedEntry.ts";
import { fileKey, type Writers } from "./openWriters.ts";
import { entriesBelow } from "./treeSource.ts";
import { TreeTarget } from "./treeTarget.ts";

/** What was copied so far. */
export interface Copied {
  readonly files: number;
  readonly folders: number;
  readonly links: number;
  /** Without holes. */
  readonly bytes: number;
}

export interface CopyTerms {
  /** The files that processes of the task have open for writing. */
  readonly writers: Writers;
  /** Whose the copies become; undefined for this process's user. */
  readonly user: FileUser | undefined;
  /** When aborted, the copy fails. What is complete by then stays. */
  readonly stop: AbortSignal;
  readonly remark: (remark: Remark) => void;
  readonly progress: (copied: Copied) => void;
}

/**
 * @param top descriptor (`O_PATH`) of what is copied
 * @param into descriptor of the folder that the copy goes into, and the copy's name there, if it has one
 * @throws DriverError `COPY_FAILED`
 */
export async function copyEntries(
  top: number,
  into: { readonly folder: number; readonly name: string },
  { writers, user, stop, remark, progress }: CopyTerms,
): Promise<Copied> {
  const copied = { files: 0, folders: 0, links: 0, bytes: 0 };
  const tellWriter = (what: (pid: number) => string) => (path: string, status: BigIntStats) => {
    const pid = writers.get(fileKey(status));
    if (pid !== undefined) remark({ path, what: what(pid), isLoss: false });
  };
  const target = new TreeTarget(into.folder, into.name, user, {
    replaces: tellWriter((pid) => `process ${pid} of the task goes on writing to the file that was replaced`),
    wrote: (bytes) => {
      copied.bytes += bytes;
      progress(copied);
      checkStop(stop);
    },
  });
  const source = entriesBelow(top, {
    reads: tellWriter((pid) => `process ${pid} of the task has it open for writing`),
    remark,
  });
  for await (const entry of source) {
    checkStop(stop);
    await target.add(entry);
    copied[counters[entry.kind]] += 1;
    progress(copied);
  }
  target.finish();
  return copied;
}

const counters = { file: "files", folder: "folders", link: "links" } as const;

/** Bytes that a copy will have to read; holes do not count. */
export async function dataBelow(top: number): Promise<number> {
  let bytes = 0;
  const silent = { reads: () => undefined, remark: () => undefined };
  for await (const entry of entriesBelow(top, silent)) {
    if (entry.kind !== "file") continue;
    for (const { from, to } of entry.extents()) bytes += to - from;
  }
  return bytes;
}

function checkStop(stop: AbortSignal): void {
  if (stop.aborted) throw new DriverError("COPY_FAILED", "it was interrupted");
}
