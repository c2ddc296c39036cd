/** Bundles that `archive` made. */
import { closeSync, openSync, readSync } from "node:fs";
import { type BundleHeader, readHeader } from "../../history/replay/bundle/bundleFormat.ts";
import { archiveFolder, bundlesIn } from "../../store/folder/logFolders.ts";

/** A stream in the header of a bundle. Its id is the task's id. */
export interface ArchivedStream {
  readonly id: string;
  readonly hash: string;
}

/**
 * Finds the archive's newest bundle whose tasks match. Reads only the first line of each bundle.
 * @returns the bundle's path; undefined if no bundle matches
 */
export function archivedBundle(
  stateDir: string,
  fits: (streams: readonly ArchivedStream[]) => boolean,
): string | undefined {
  return bundlesIn(archiveFolder(stateDir)).findLast((path) => fits(streamsOf(path)));
}

/** The streams in a bundle; none if the file is not a bundle. */
export function streamsOf(path: string): ArchivedStream[] {
  const header = headerOf(path);
  if (typeof header === "string") return [];
  return header.streams.map(({ stream, hash }) => ({ id: stream, hash }));
}

const chunkBytes = 64 * 1024;

function headerOf(path: string): BundleHeader | string {
  const file = openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    for (;;) {
      const chunk = Buffer.allocUnsafe(chunkBytes);
      const read = chunk.subarray(0, readSync(file, chunk));
      const end = read.indexOf("\n");
      chunks.push(end < 0 ? read : read.subarray(0, end));
      if (end >= 0 || read.length === 0) return readHeader(Buffer.concat(chunks).toString());
    }
  } finally {
    closeSync(file);
  }
}
