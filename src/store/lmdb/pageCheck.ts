/**
 * Checks the page structure of an LMDB file without LMDB. LMDB itself follows
 * every page number unchecked, so a damaged one crashes the process. The check
 * reads every page of the newest snapshot once, which takes some 3 s per GiB.
 *
 * Layout: `MDB_page_header`, `MDB_node`, `MDB_db` and `MDB_ovpage` of liblmdb's
 * mdb.c. All numbers are little-endian, as on every machine that the driver runs on.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { readMetaPages } from "./lmdbFile.ts";

/** Pages that are checked in one turn of the event loop: some 2 ms. */
const PAGES_PER_TURN = 512;

const HEADER_BYTES = 24;
const FLAGS_AT = 18;
/** Both count from the end of the header: where a page's pointers to nodes end, and where its nodes begin. */
const LOWER_AT = 20;
const UPPER_AT = 22;
/** On overflow pages, the number of pages takes the place of both. */
const PAGES_AT = 20;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;

const NODE_BYTES = 8;
const BIG_DATA = 1;
const SUB_TREE = 2;

const META = { freeAt: 48, mainAt: 96, lastPageAt: 144, numberAt: 152 } as const;
/** `MDB_db`: depth, entries and root. */
const TREE = { bytes: 48, depthAt: 6, entriesAt: 32, rootAt: 40 } as const;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;
const MAX_LEVELS = 32;

interface Tree {
  readonly root: bigint;
  readonly depth: number;
  readonly entries: number;
}

/**
 * @returns what is wrong; undefined if nothing is
 * @throws DriverError `STORE_DAMAGED` if the file has no meta pages of LMDB
 */
export async function findPageDefect(path: string): Promise<string | undefined> {
  const descriptor = openSync(path, "r");
  try {
    const check = new PageCheck(descriptor, path);
    await check.run();
    return undefined;
  } catch (thrown) {
    // A RangeError means that something is shorter than its content.
    if (thrown instanceof PageDefect || thrown instanceof RangeError) return thrown.message;
    throw thrown;
  } finally {
    closeSync(descriptor);
  }
}

class PageDefect extends Error {}

class PageCheck {
  readonly #descriptor: number;
  readonly #meta: Buffer;
  readonly #pageSize: number;
  /** How many pages the file has, used or free. */
  readonly #pages: number;
  /** 1 for each page that was reached: none may be reached twice. */
  readonly #reached: Uint8Array;
  #untilPause = PAGES_PER_TURN;
  #listsFreePages = false;

  constructor(descriptor: number, path: string) {
    const metas = readMetaPages(descriptor, path);
    this.#descriptor = descriptor;
    this.#pageSize = metas.length / 2;
    const both = [metas.subarray(0, this.#pageSize), metas.subarray(this.#pageSize)] as const;
    const numberOf = (meta: Buffer) => meta.readBigUInt64LE(META.numberAt);
    this.#meta = numberOf(both[0]) > numberOf(both[1]) ? both[0] : both[1];
    const used = Number(this.#meta.readBigUInt64LE(META.lastPageAt)) + 1;
    this.#pages = Math.min(used, Math.floor(fstatSync(descriptor).size / this.#pageSize));
    this.#reached = new Uint8Array(this.#pages);
    this.#reached.fill(1, 0, 2);
  }

  async run(): Promise<void> {
    await this.#checkTree(treeAt(this.#meta, META.mainAt));
    // Last, because a page that is listed as free must not have been reached before.
    this.#listsFreePages = true;
    await this.#checkTree(treeAt(this.#meta, META.freeAt));
  }

  async #checkTree({ root, depth, entries }: Tree): Promise<void> {
    if (root === NO_ROOT) return;
    if (depth > MAX_LEVELS) throw new PageDefect(`a tree has ${depth} levels`);
    const found = await this.#checkPage(root, depth);
    if (found !== entries) throw new PageDefect(`a tree has ${found} entries instead of ${entries}`);
  }

  /**
   * @param level 1: the page has to be a leaf
   * @returns how many entries are below it
   */
  async #checkPage(number: bigint, level: number): Promise<number> {
    this.#untilPause -= 1;
    if (this.#untilPause === 0) {
      this.#untilPause = PAGES_PER_TURN;
      await setImmediate();
    }
    const page = this.#readPage(number, 1);
    const expected = level === 1 ? LEAF : BRANCH;
    const flags = page.readUInt16LE(FLAGS_AT);
    if (flags !== expected) throw new PageDefect(`page ${number} is of kind ${flags} instead of ${expected}`);
    let below = 0;
    const nodes = this.#nodesOf(page, number);
    for (const node of nodes) {
      if (level === 1) await this.#checkEntry(node, number);
      else below += await this.#checkPage(childOf(node), level - 1);
    }
    return level === 1 ? nodes.length : below;
  }

  /** The nodes of a page, each from its beginning to the page's end. */
  #nodesOf(page: Buffer, number: bigint): Buffer[] {
    const lower = page.readUInt16LE(LOWER_AT);
    const upper = page.readUInt16LE(UPPER_AT);
    const room = this.#pageSize - HEADER_BYTES;
    if (lower < 2 || lower % 2 !== 0 || lower > upper || upper > room) {
      throw new PageDefect(`page ${number} has its free space from ${lower} to ${upper} of ${room}`);
    }
    return Array.from({ length: lower / 2 }, (_, index) => {
      const at = page.readUInt16LE(HEADER_BYTES + 2 * index);
      const keyBytes = at + NODE_BYTES > room ? room : page.readUInt16LE(HEADER_BYTES + at + 6);
      if (at < upper || at + NODE_BYTES + keyBytes > room) {
        throw new PageDefect(`node ${index} of page ${number} is not within it`);
      }
      return page.subarray(HEADER_BYTES + at);
    });
  }

  async #checkEntry(node: Buffer, number: bigint): Promise<void> {
    const size = node.readUInt32LE(0);
    const flags = node.readUInt16LE(4);
    const dataAt = NODE_BYTES + node.readUInt16LE(6);
    const inPage = flags === BIG_DATA ? 24 : size;
    if (dataAt + inPage > node.length) throw new PageDefect(`an entry of page ${number} exceeds it`);
    if (flags === BIG_DATA) this.#checkOverflow(node.readBigUInt64LE(dataAt), size);
    else if (flags === SUB_TREE && size === TREE.bytes) await this.#checkTree(treeAt(node, dataAt));
    else if (flags !== 0) throw new PageDefect(`an entry of page ${number} is of kind ${flags}`);
    else if (this.#listsFreePages) this.#checkFreePages(node.subarray(dataAt, dataAt + size));
  }

  #checkOverflow(number: bigint, size: number): void {
    const pages = Math.floor((HEADER_BYTES - 1 + size) / this.#pageSize) + 1;
    const page = this.#readPage(number, pages);
    if (page.readUInt16LE(FLAGS_AT) !== OVERFLOW || page.readUInt32LE(PAGES_AT) !== pages) {
      throw new PageDefect(`page ${number} does not begin an overflow of ${pages} pages`);
    }
    if (!this.#listsFreePages) return;
    const list = Buffer.allocUnsafe(size);
    readSync(this.#descriptor, list, 0, size, Number(number) * this.#pageSize + HEADER_BYTES);
    this.#checkFreePages(list);
  }

  /** A count, then that many page numbers. A negative one is the length of the run that the next begins. */
  #checkFreePages(list: Buffer): void {
    const count = Number(list.readBigInt64LE(0));
    if (count < 0 || 8 * (count + 1) > list.length) throw new PageDefect(`a list has ${count} free pages`);
    let run = 1;
    for (let at = 8; at <= 8 * count; at += 8) {
      const value = Number(list.readBigInt64LE(at));
      if (value < 0) run = -value;
      else {
        if (value > 0) this.#markFree(value, run);
        run = 1;
      }
    }
  }

  /** The file may end before the last of the pages. */
  #markFree(first: number, count: number): void {
    if (this.#reached.subarray(first, first + count).includes(1)) {
      throw new PageDefect(`page ${first} is in use, and listed as free`);
    }
    this.#reached.fill(1, first, first + count);
  }

  /** Reads the first of `count` pages, none of which may have been reached before. */
  #readPage(number: bigint, count: number): Buffer {
    const first = Number(number);
    if (first + count > this.#pages) throw new PageDefect(`page ${number} is beyond the file's end`);
    if (this.#reached.subarray(first, first + count).includes(1)) {
      throw new PageDefect(`page ${number} belongs to two places`);
    }
    this.#reached.fill(1, first, first + count);
    const page = Buffer.allocUnsafe(this.#pageSize);
    const read = readSync(this.#descriptor, page, 0, page.length, first * this.#pageSize);
    if (read < page.length) throw new PageDefect(`page ${number} ends after ${read} bytes`);
    if (page.readBigUInt64LE(0) !== number) throw new PageDefect(`page ${number} names another page`);
    return page;
  }
}

function treeAt(bytes: Buffer, at: number): Tree {
  return {
    root: bytes.readBigUInt64LE(at + TREE.rootAt),
    depth: bytes.readUInt16LE(at + TREE.depthAt),
    entries: Number(bytes.readBigUInt64LE(at + TREE.entriesAt)),
  };
}

/** In a branch page, a page number of 48 bits takes the place of an entry's size and flags. */
function childOf(node: Buffer): bigint {
  return BigInt(node.readUIntLE(0, 6));
}
