/**
 * Reads an LMDB file beside its writer, without LMDB. With LMDB, a damaged page would crash the process, and
 * merely opening the file could hide the writer's newest commit (newestCommit.ts).
 *
 * LMDB never changes a page of its newest snapshot: a commit writes other pages, then the older of the two
 * meta pages. Commit N + 2 is the first that may reuse pages of snapshot N. Every page names the commit that
 * wrote it, so the reader notices a reused page, and repeats the read on a newer snapshot.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { damaged } from "../storeError.ts";
import { readMetaPages } from "./lmdbFile.ts";
import { isDefect, newestMeta } from "./pages.ts";
import { Snapshot } from "./snapshot.ts";

/** Maximum number of attempts at a read, if the writer keeps reusing the pages that are read. */
const MAX_ATTEMPTS = 100;
/** Offset of the commit's number in a meta page. */
const COMMIT_IN_META = 152;
const COMMIT_BYTES = 8;
const MAX_PAGE_BYTES = 1 << 16;

export class SnapshotReader {
  readonly #path: string;
  readonly #descriptor: number;
  /** Descriptions of the defects found so far. */
  readonly damage = new Set<string>();
  readonly #commits = Buffer.alloc(MAX_PAGE_BYTES + COMMIT_BYTES);
  #snapshot: Snapshot | undefined;

  /** @param path of a data file that was inspected before: lmdbFile.ts */
  constructor(path: string) {
    this.#path = path;
    this.#descriptor = openSync(path, "r");
  }

  /**
   * Reads from the newest snapshot.
   * @param action may be called several times
   * @throws DriverError `STORE_DAMAGED` for a defect that `action` does not skip
   */
  read<T>(action: (snapshot: Snapshot) => T): T {
    for (let attempt = 1; ; attempt++) {
      const snapshot = this.#newest();
      snapshot.begin();
      const { result, thrown } = attemptOf(() => action(snapshot));
      const defects = [...snapshot.skipped, ...(thrown === undefined ? [] : [thrown.message])];
      if (attempt < MAX_ATTEMPTS && this.#isOutdated(snapshot, defects.length > 0)) continue;
      for (const defect of defects) this.damage.add(defect);
      if (thrown !== undefined) throw damaged(this.#path, thrown.message);
      return result as T;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #newest(): Snapshot {
    const known = this.#snapshot;
    if (known !== undefined && known.commit === this.#newestCommit(known.pageSize)) return known;
    const metaPages = this.#stableMetaPages();
    const { result: meta, thrown } = attemptOf(() => newestMeta(metaPages));
    if (meta === undefined) throw damaged(this.#path, thrown?.message ?? "");
    this.#snapshot = new Snapshot(this.#descriptor, metaPages.length / 2, meta);
    return this.#snapshot;
  }

  /** Reads the meta pages until two reads agree, because the writer may be writing them. */
  #stableMetaPages(): Buffer {
    let before = readMetaPages(this.#descriptor, this.#path);
    for (;;) {
      const pages = readMetaPages(this.#descriptor, this.#path);
      if (pages.equals(before)) return pages;
      before = pages;
    }
  }

  /**
   * Reads the commit numbers of both meta pages, and everything between them, in one call, because two calls
   * would take twice the time.
   */
  #newestCommit(pageSize: number): number {
    const bytes = this.#commits.subarray(0, pageSize + COMMIT_BYTES);
    readSync(this.#descriptor, bytes, 0, bytes.length, COMMIT_IN_META);
    return Number(larger(bytes.readBigUInt64LE(), bytes.readBigUInt64LE(pageSize)));
  }

  /**
   * Whether pages may have been reused while they were read.
   * @param doubtful whether the content of a page was wrong
   */
  #isOutdated(snapshot: Snapshot, doubtful: boolean): boolean {
    if (!doubtful && snapshot.isFromMemory) return false;
    const since = this.#newestCommit(snapshot.pageSize) - snapshot.commit;
    return since > 0 && (doubtful || (since > 1 && !snapshot.isUnchanged()));
  }
}

/** Returns the action's result, or the defect that prevented it. */
function attemptOf<T>(action: () => T): { readonly result?: T; readonly thrown?: Error } {
  try {
    return { result: action() };
  } catch (thrown) {
    if (isDefect(thrown)) return { thrown };
    throw thrown;
  }
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
