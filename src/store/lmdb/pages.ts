/**
 * The structure of LMDB's pages: `MDB_page_header`, `MDB_node`, `MDB_db`, `MDB_ovpage` and `MDB_meta` of
 * liblmdb's mdb.c. LMDB uses every number in them unchecked. This module checks each number before using
 * it. All numbers are little-endian, as on every machine that the driver runs on. Pure.
 */

/** Something in a page that LMDB never writes. */
export class PageDefect extends Error {}

/**
 * Whether an error shows that a page is damaged. A RangeError means that a number in the page points beyond
 * the bytes that were read.
 */
export function isDefect(thrown: unknown): thrown is PageDefect | RangeError {
  return thrown instanceof PageDefect || thrown instanceof RangeError;
}

export const PAGE_HEADER_BYTES = 24;
const COMMIT_AT = 8;
const KIND_AT = 18;
/**
 * Offsets of two fields: the end of a page's pointers to nodes, and the beginning of its nodes. Both values
 * count from the end of the header.
 */
const LOWER_AT = 20;
const UPPER_AT = 22;
/** On overflow pages, the number of pages replaces both fields. */
const PAGES_AT = 20;

export const pageKinds = { branch: 1, leaf: 2, overflow: 4 } as const;
export type PageKind = keyof typeof pageKinds;

const NODE_BYTES = 8;
const IN_OVERFLOW = 1;
const IS_TREE = 2;
const OVERFLOW_BYTES = 24;

const META = { freeAt: 48, mainAt: 96, lastPageAt: 144, commitAt: 152 } as const;
const TREE = { bytes: 48, depthAt: 6, entriesAt: 32, rootAt: 40 } as const;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;
const MAX_DEPTH = 32;

export interface Tree {
  /** Number of the root page; undefined if the tree is empty. */
  readonly root: number | undefined;
  /** Number of levels. If there is one level, the root is a leaf. */
  readonly depth: number;
  readonly entries: number;
}

/** A snapshot of the database. */
export interface Meta {
  /** Number of the commit that made it. */
  readonly commit: number;
  /** Number of the database's pages, used or free. The file may end before the last free pages. */
  readonly pages: number;
  readonly main: Tree;
  /** Lists the free pages. */
  readonly free: Tree;
}

/**
 * The newest snapshot.
 * @param pages the file's first two pages
 * @throws PageDefect
 */
export function newestMeta(pages: Buffer): Meta {
  const size = pages.length / 2;
  const [first, second] = [metaOf(pages.subarray(0, size)), metaOf(pages.subarray(size))];
  // Commits alternate between the two pages.
  if (Math.abs(first.commit - second.commit) > 1) {
    throw new PageDefect(`its two meta pages have the commits ${first.commit} and ${second.commit}`);
  }
  return first.commit > second.commit ? first : second;
}

/** The file's second meta page has the odd commits. @returns the number of the page that has a commit */
export function metaPageOf(commit: number): number {
  return commit % 2;
}

/** What a meta page says about its list of free pages from byte `at` on, if there are no free pages. */
export const noFreePages = { at: META.freeAt + TREE.depthAt, bytes: emptyTree() } as const;

function emptyTree(): Buffer {
  const bytes = Buffer.alloc(TREE.bytes);
  bytes.writeBigUInt64LE(NO_ROOT, TREE.rootAt);
  return bytes.subarray(TREE.depthAt);
}

function metaOf(page: Buffer): Meta {
  return {
    commit: Number(page.readBigUInt64LE(META.commitAt)),
    pages: Number(page.readBigUInt64LE(META.lastPageAt)) + 1,
    main: treeAt(page, META.mainAt),
    free: treeAt(page, META.freeAt),
  };
}

function treeAt(bytes: Buffer, at: number): Tree {
  const root = bytes.readBigUInt64LE(at + TREE.rootAt);
  const depth = bytes.readUInt16LE(at + TREE.depthAt);
  if (depth > MAX_DEPTH) throw new PageDefect(`a tree has ${depth} levels`);
  return {
    root: root === NO_ROOT ? undefined : Number(root),
    depth,
    entries: Number(bytes.readBigUInt64LE(at + TREE.entriesAt)),
  };
}

/** The number of the commit that wrote a page. */
export function commitOf(page: Buffer): number {
  return Number(page.readBigUInt64LE(COMMIT_AT));
}

/** @throws PageDefect unless the page has this number and this kind */
export function checkHeader(page: Buffer, number: number, kind: PageKind): void {
  const own = Number(page.readBigUInt64LE(0));
  if (own !== number) throw new PageDefect(`page ${number} names another page`);
  const found = page.readUInt16LE(KIND_AT);
  if (found === pageKinds[kind]) return;
  throw new PageDefect(`page ${number} is of kind ${found} instead of ${pageKinds[kind]}`);
}

/** @throws PageDefect unless the overflow page begins a run of `count` pages */
export function checkOverflow(page: Buffer, number: number, count: number): void {
  if (page.readUInt32LE(PAGES_AT) === count) return;
  throw new PageDefect(`page ${number} does not begin an overflow of ${count} pages`);
}

/**
 * Keys from `from` on, and below `to`. Where a bound is undefined, the range extends to that end of the tree.
 */
export interface KeyRange {
  readonly from: Buffer | undefined;
  readonly to: Buffer | undefined;
}

/** Decodes a key from the bytes between `begin` and `end`. */
interface KeyReader<K> {
  readKey(source: Buffer, begin: number, end: number): K;
}

/** A page of kind branch or leaf: nodes in the order of their keys. */
export class NodePage {
  readonly #page: Buffer;
  readonly #number: number;
  /** Where its nodes begin. */
  readonly #at: Uint16Array;
  /**
   * The index of the first node with a key. The first node of a branch page has no key, and stands before all
   * keys.
   */
  readonly #firstWithKey: 0 | 1;

  /** @throws PageDefect for nodes that are not within the page */
  constructor(page: Buffer, number: number) {
    const lower = page.readUInt16LE(LOWER_AT);
    const upper = page.readUInt16LE(UPPER_AT);
    const room = page.length - PAGE_HEADER_BYTES;
    if (lower < 2 || lower % 2 !== 0 || lower > upper || upper > room) {
      throw new PageDefect(`page ${number} has its free space from ${lower} to ${upper} of ${room}`);
    }
    this.#page = page;
    this.#number = number;
    this.#firstWithKey = page.readUInt16LE(KIND_AT) === pageKinds.branch ? 1 : 0;
    this.#at = new Uint16Array(lower / 2);
    for (let index = 0; index < this.#at.length; index++) {
      const at = page.readUInt16LE(PAGE_HEADER_BYTES + 2 * index);
      const keyBytes = at + NODE_BYTES > room ? room : page.readUInt16LE(PAGE_HEADER_BYTES + at + 6);
      if (at < upper || at + NODE_BYTES + keyBytes > room) {
        throw new PageDefect(`node ${index} of page ${number} is not within it`);
      }
      this.#at[index] = PAGE_HEADER_BYTES + at;
    }
  }

  get length(): number {
    return this.#at.length;
  }

  key(index: number): Buffer {
    return this.#page.subarray(this.#keyBegin(index), this.#keyEnd(index));
  }

  /** Decodes a key in place. A view of its bytes would cost more than the key. */
  keyAs<K>(index: number, { readKey }: KeyReader<K>): K {
    return readKey(this.#page, this.#keyBegin(index), this.#keyEnd(index));
  }

  /** The key as text. */
  text(index: number): string {
    return this.#page.toString("utf8", this.#keyBegin(index), this.#keyEnd(index));
  }

  /** Negative if the node's key is less than `key`, as LMDB compares them: byte by byte. */
  compare(index: number, key: Buffer): number {
    return compareBytes(this.#page, this.#keyBegin(index), this.#keyEnd(index), key, 0, key.length);
  }

  /**
   * Index of the last node whose key is less than or equal to this key. If there is no such node: -1 in a
   * leaf page, 0 in a branch page.
   */
  lastAtOrBefore(key: Buffer): number {
    // As in partitionPoint.ts, but without a function call for each comparison: the calls cost a tenth more.
    let low: number = this.#firstWithKey;
    for (let high = this.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (this.compare(middle, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** @throws PageDefect if the page's keys do not ascend */
  checkOrder(): void {
    for (let index = this.#firstWithKey + 1; index < this.length; index++) {
      if (this.#compareNodes(index - 1, index) < 0) continue;
      throw new PageDefect(`node ${index} of page ${this.#number} is out of order`);
    }
  }

  /**
   * What is wrong with the space that the nodes take; undefined if nothing is. LMDB keeps a page's nodes side
   * by side up to the page's end. If they take less, or more, the page has nodes that it does not list, or a
   * node of another size than its own. The listed nodes may be intact.
   */
  get misfit(): string | undefined {
    const isLeaf = this.#firstWithKey === 0;
    let bytes = this.#page.readUInt16LE(UPPER_AT);
    for (let index = 0; index < this.length; index++) {
      const node = this.#keyEnd(index) - this.#begin(index) + (isLeaf ? this.#dataBytes(index) : 0);
      bytes += node + (node % 2);
    }
    const room = this.#page.length - PAGE_HEADER_BYTES;
    return bytes === room ? undefined : `the nodes of page ${this.#number} end at ${bytes} of ${room}`;
  }

  /** @throws PageDefect if a key is not in the range */
  checkRange({ from, to }: KeyRange): void {
    const first = this.#firstWithKey;
    if (first >= this.length) return;
    if (from && this.compare(first, from) < 0) throw new PageDefect(`page ${this.#number} begins too early`);
    if (to && this.compare(this.length - 1, to) >= 0)
      throw new PageDefect(`page ${this.#number} ends too late`);
  }

  /**
   * The number of the page below a node of a branch page. The number has 48 bits, and is stored where an
   * entry of a leaf has its size and flags.
   */
  child(index: number): number {
    return this.#page.readUIntLE(this.#begin(index), 6);
  }

  /** What a node of a leaf holds. @throws PageDefect */
  data(index: number): NodeData {
    const page = this.#page;
    const begin = this.#begin(index);
    const size = page.readUInt32LE(begin);
    const flags = page.readUInt16LE(begin + 4);
    const at = this.#keyEnd(index);
    if (at + this.#dataBytes(index) > page.length) {
      throw new PageDefect(`an entry of page ${this.#number} exceeds it`);
    }
    if (flags === IN_OVERFLOW) return { kind: "overflow", page: Number(page.readBigUInt64LE(at)), size };
    if (flags === IS_TREE && size === TREE.bytes) return { kind: "tree", tree: treeAt(page, at) };
    if (flags !== 0) throw new PageDefect(`an entry of page ${this.#number} is of kind ${flags}`);
    return { kind: "bytes", bytes: page.subarray(at, at + size) };
  }

  /** The bytes in the page itself that the data of a leaf's node take. */
  #dataBytes(index: number): number {
    const begin = this.#begin(index);
    const isOverflow = this.#page.readUInt16LE(begin + 4) === IN_OVERFLOW;
    return isOverflow ? OVERFLOW_BYTES : this.#page.readUInt32LE(begin);
  }

  #compareNodes(a: number, b: number): number {
    const page = this.#page;
    return compareBytes(page, this.#keyBegin(a), this.#keyEnd(a), page, this.#keyBegin(b), this.#keyEnd(b));
  }

  #begin(index: number): number {
    return this.#at[index] as number;
  }

  #keyBegin(index: number): number {
    return this.#begin(index) + NODE_BYTES;
  }

  #keyEnd(index: number): number {
    return this.#keyBegin(index) + this.#page.readUInt16LE(this.#begin(index) + 6);
  }
}

/**
 * Compares byte by byte. For keys of some ten bytes this is faster than Buffer.compare(), which checks its
 * arguments.
 */
function compareBytes(
  a: Buffer,
  aBegin: number,
  aEnd: number,
  b: Buffer,
  bBegin: number,
  bEnd: number,
): number {
  const length = Math.min(aEnd - aBegin, bEnd - bBegin);
  for (let at = 0; at < length; at++) {
    const difference = (a[aBegin + at] as number) - (b[bBegin + at] as number);
    if (difference !== 0) return difference;
  }
  return aEnd - aBegin - (bEnd - bBegin);
}

/** What a node of a leaf holds: bytes in the page itself, bytes in pages of their own, or a tree. */
export type NodeData =
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "overflow"; readonly page: number; readonly size: number }
  | { readonly kind: "tree"; readonly tree: Tree };

/** The number of overflow pages that data of this size take. */
export function overflowPages(size: number, pageSize: number): number {
  return Math.floor((PAGE_HEADER_BYTES - 1 + size) / pageSize) + 1;
}
