/** What is copied into or out of a task: folders, files and links, in an order in which they can be made. */

export type CopiedEntry =
  | {
      readonly kind: "folder";
      /** Relative to what is copied; empty for the thing itself. Names are separated by `/`. */
      readonly path: string;
      readonly mode: number;
    }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | ({ readonly kind: "file"; readonly path: string } & CopiedFile);

export interface CopiedFile {
  readonly mode: number;
  /** Milliseconds since the epoch. */
  readonly changedMs: number;
  readonly size: number;
  /** The parts of the file that are not holes, in their order. */
  extents(): Iterable<Extent>;
  /** The content of the extents. To be read at most once; the bytes are valid until the next are read. */
  chunks(): AsyncIterable<Chunk>;
}

/** A part of a file, in bytes. */
export interface Extent {
  readonly from: number;
  readonly to: number;
}

interface Chunk {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Something that was not copied, or not as it is. */
export interface Remark {
  readonly path: string;
  readonly what: string;
  /** Whether the copy lacks something that it should have. */
  readonly isLoss: boolean;
}

/** Only these bits of a mode are copied: a file of root's that a task has marked setuid would run as root. */
export const copiedModeBits = 0o777;
