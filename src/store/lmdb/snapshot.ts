/** One snapshot of an LMDB file: its tables, read page by page, without LMDB. */
import { readSync } from "node:fs";
import {
  checkHeader,
  checkOverflow,
  commitOf,
  isDefect,
  type KeyRange,
  type Meta,
  type NodeData,
  NodePage,
  overflowPages,
  PAGE_HEADER_BYTES,
  PageDefect,
  type PageKind,
  type Tree,
} from "./pages.ts";

/** Maximum number of pages in the cache: 2 MiB with pages of the usual size. */
const MAX_CACHED = 512;
/** Memory for pages is allocated in pieces of this size. */
const SLAB_BYTES = 256 << 10;

/** An entry of a tree: its place in a leaf page. */
export interface Entry {
  readonly page: NodePage;
  readonly at: number;
}

/** A leaf page, and the index of the first entry to read. */
export interface Leaf {
  readonly page: NodePage;
  readonly first: number;
}

/** A range of keys that cannot be read. */
export type Gap = KeyRange;

export class Snapshot {
  readonly commit: number;
  readonly pageSize: number;
  /** The defects that the current read skipped. */
  readonly skipped: string[] = [];
  readonly #descriptor: number;
  readonly #meta: Meta;
  readonly #tables = new Map<string, Tree | undefined>();
  readonly #cached = new Map<number, NodePage>();
  #slab: Buffer = Buffer.alloc(0);
  /**
   * The leaf of the last search. When keys are looked up in order, the next search often ends in the same
   * leaf.
   */
  #leaf: (Gap & { readonly root: number | undefined; readonly page: NodePage }) | undefined;
  /** For each page that the current read has taken from the file, the commit that wrote the page. */
  readonly #read = new Map<number, number>();

  constructor(descriptor: number, pageSize: number, meta: Meta) {
    this.#descriptor = descriptor;
    this.pageSize = pageSize;
    this.#meta = meta;
    this.commit = meta.commit;
  }

  /** Approximate size of the log. */
  get bytes(): number {
    return this.#meta.pages * this.pageSize;
  }

  /** The tree of a table; undefined if there is none. @throws PageDefect */
  table(name: string): Tree | undefined {
    if (!this.#tables.has(name)) this.#tables.set(name, this.#tableOf(name));
    return this.#tables.get(name);
  }

  /** The value of a key that is in no table. @throws PageDefect */
  value(key: Buffer): Buffer | undefined {
    return this.get(this.#meta.main, key);
  }

  /** @throws PageDefect */
  get(tree: Tree | undefined, key: Buffer): Buffer | undefined {
    const data = tree && this.#find(tree, key);
    return data && this.#bytesOf(data);
  }

  /** The greatest key of a tree that is not greater than `key`. @throws PageDefect */
  keyAtOrBefore(tree: Tree | undefined, key: Buffer): Buffer | undefined {
    return tree && this.#search(tree, key, (page, at) => (at < 0 ? undefined : page.key(at)));
  }

  /**
   * The greatest key of a tree. If the last page is damaged, the least key that the page can have.
   * @throws PageDefect if nothing of the tree can be read
   */
  lastKey({ root, depth }: Tree): Buffer | undefined {
    let least: Buffer | undefined;
    let number = root;
    for (let level = depth; number !== undefined; level--) {
      try {
        const page = this.#page(number, level);
        const last = page.length - 1;
        if (level === 1) return page.key(last);
        if (last > 0) least = page.key(last);
        number = page.child(last);
      } catch (thrown) {
        if (least === undefined) throw thrown;
        this.skip(thrown);
        return least;
      }
    }
    return undefined;
  }

  /**
   * Entries from a key on, in order. A gap stands for entries that cannot be read.
   * @param isScan for a caller that reads most of the tree and comes back to no entry: all leaves are then read into
   *   the same memory, so an entry is valid only until the next one
   */
  *entries(tree: Tree, from: Buffer, isScan = false): Iterable<Entry | Gap> {
    for (const leaf of this.leaves(tree, from, isScan)) {
      if (!("page" in leaf)) {
        yield leaf;
        continue;
      }
      const { page, first } = leaf;
      for (let at = first; at < page.length; at++) yield { page, at };
    }
  }

  /**
   * Leaf pages with the entries from a key on, for callers that read very many entries.
   * @param isScan as for {@link entries}
   */
  *leaves({ root, depth }: Tree, from: Buffer, isScan = false): Iterable<Leaf | Gap> {
    if (root === undefined) return;
    const memory = isScan ? this.#memory(this.pageSize) : undefined;
    yield* this.#walk(root, depth, { from, memory }, { from: undefined, to: undefined });
  }

  /** The value of an entry of a leaf page. @throws PageDefect */
  bytesAt({ page, at }: Entry): Buffer {
    return this.#bytesOf(page.data(at));
  }

  /** Notes a defect, so that the read can go on. @throws `thrown` if it is not a defect */
  skip(thrown: unknown): void {
    if (!isDefect(thrown)) throw thrown;
    this.skipped.push(thrown.message);
  }

  /** Begins a read: forgets the pages and defects of the last read. */
  begin(): void {
    this.skipped.length = 0;
    this.#read.clear();
  }

  /** Whether the current read took all pages from the cache. */
  get isFromMemory(): boolean {
    return this.#read.size === 0;
  }

  /** Whether the pages that the current read took from the file still belong to the snapshot. */
  isUnchanged(): boolean {
    const header = Buffer.alloc(PAGE_HEADER_BYTES);
    return [...this.#read].every(([number, commit]) => {
      readSync(this.#descriptor, header, 0, header.length, number * this.pageSize);
      return commitOf(header) === commit;
    });
  }

  #tableOf(name: string): Tree | undefined {
    // lmdb ends names with a NUL.
    const data = this.#find(this.#meta.main, Buffer.from(`${name}\0`));
    if (data === undefined || data.kind === "tree") return data?.tree;
    throw new PageDefect(`${name} is not a table`);
  }

  #find(tree: Tree, key: Buffer): NodeData | undefined {
    return this.#search(tree, key, (page, at) =>
      at >= 0 && page.compare(at, key) === 0 ? page.data(at) : undefined,
    );
  }

  /**
   * Descends to the leaf to which a key belongs. Calls `take` with the leaf's last node whose key is not
   * greater than `key`.
   */
  #search<T>(
    { root, depth }: Tree,
    key: Buffer,
    take: (page: NodePage, at: number) => T | undefined,
  ): T | undefined {
    const last = this.#leaf;
    if (last !== undefined && last.root === root && isWithin(key, last)) {
      return take(last.page, last.page.lastAtOrBefore(key));
    }
    let [from, to]: (Buffer | undefined)[] = [];
    let number = root;
    for (let level = depth; number !== undefined; level--) {
      const page = this.#page(number, level);
      const at = page.lastAtOrBefore(key);
      if (level === 1) {
        this.#leaf = { root, page, from, to };
        return take(page, at);
      }
      if (at > 0) from = page.key(at);
      if (at + 1 < page.length) to = page.key(at + 1);
      number = page.child(at);
    }
    return undefined;
  }

  /** @param memory for leaves, of which none is kept; undefined: each has its own */
  *#walk(
    number: number,
    level: number,
    { from, memory }: { readonly from: Buffer; readonly memory: Buffer | undefined },
    range: Gap,
  ): Iterable<Leaf | Gap> {
    let page: NodePage;
    try {
      page = this.#page(number, level, level === 1 ? memory : undefined);
      page.checkRange(range);
    } catch (thrown) {
      this.skip(thrown);
      yield range;
      return;
    }
    const last = page.lastAtOrBefore(from);
    if (level === 1) {
      yield { page, first: last >= 0 && page.compare(last, from) === 0 ? last : last + 1 };
      return;
    }
    for (let at = Math.max(0, last); at < page.length; at++) {
      const below = {
        from: at === 0 ? range.from : page.key(at),
        to: at + 1 < page.length ? page.key(at + 1) : range.to,
      };
      yield* this.#walk(page.child(at), level - 1, { from, memory }, below);
    }
  }

  #bytesOf(data: NodeData): Buffer {
    if (data.kind === "bytes") return data.bytes;
    if (data.kind === "tree") throw new PageDefect("an entry is a table");
    const count = overflowPages(data.size, this.pageSize);
    const bytes = this.#readPages(data.page, "overflow", count);
    checkOverflow(bytes, data.page, count);
    return bytes.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + data.size);
  }

  /** @param memory to read a page into that is not kept; undefined: the page is kept in memory of its own */
  #page(number: number, level: number, memory?: Buffer): NodePage {
    const known = this.#cached.get(number);
    if (known !== undefined) return known;
    const bytes = this.#readPages(number, level === 1 ? "leaf" : "branch", 1, memory);
    const page = new NodePage(bytes, number);
    page.checkOrder();
    const { misfit } = page;
    if (misfit !== undefined) this.skipped.push(misfit);
    if (memory !== undefined) return page;
    if (this.#cached.size >= MAX_CACHED) this.#cached.clear();
    this.#cached.set(number, page);
    return page;
  }

  /** Allocates memory for many pages at once. Allocating a single page takes longer than reading it. */
  #memory(bytes: number): Buffer {
    if (bytes > SLAB_BYTES / 2) return Buffer.allocUnsafeSlow(bytes);
    if (this.#slab.length < bytes) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    const memory = this.#slab.subarray(0, bytes);
    this.#slab = this.#slab.subarray(bytes);
    return memory;
  }

  #readPages(number: number, kind: PageKind, count: number, memory?: Buffer): Buffer {
    if (number < 2 || number + count > this.#meta.pages) {
      throw new PageDefect(`page ${number} is beyond the log's end`);
    }
    const bytes = memory ?? this.#memory(count * this.pageSize);
    const read = readSync(this.#descriptor, bytes, 0, bytes.length, number * this.pageSize);
    if (read < bytes.length) throw new PageDefect(`page ${number} ends after ${read} bytes`);
    checkHeader(bytes, number, kind);
    const commit = commitOf(bytes);
    if (commit > this.commit)
      throw new PageDefect(`page ${number} is of commit ${commit}, which is newer than the snapshot`);
    // Every commit writes the main tree's root anew.
    if (number === this.#meta.main.root && commit !== this.commit) {
      throw new PageDefect(`the root, page ${number}, is of commit ${commit} instead of ${this.commit}`);
    }
    this.#read.set(number, commit);
    return bytes;
  }
}

function isWithin(key: Buffer, { from, to }: Gap): boolean {
  return (from === undefined || from.compare(key) <= 0) && (to === undefined || to.compare(key) > 0);
}
