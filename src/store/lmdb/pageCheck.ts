/**
 * Checks the page structure of an LMDB file. The check does not use LMDB, which follows page
 * numbers unchecked: a damaged number would crash the process. The check reads every page of the
 * newest snapshot once, which takes some 3 s per GiB. No process may write to the file meanwhile.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { readMetaPages } from "./lmdbFile.ts";
import {
  checkHeader,
  checkOverflow,
  isDefect,
  type Meta,
  type NodeData,
  NodePage,
  newestMeta,
  overflowPages,
  PAGE_HEADER_BYTES,
  PageDefect,
  type PageKind,
  type Tree,
} from "./pages.ts";

/** Pages that are checked in one turn of the event loop: some 2 ms. */
const PAGES_PER_TURN = 512;

export interface Defect {
  readonly what: string;
  /** Whether all else is intact, so that {@link dropFreeList} mends the file. */
  readonly onlyInFreeList: boolean;
}

/**
 * @returns the first defect; undefined if the file has none
 * @throws DriverError `STORE_DAMAGED` if the file has no meta pages of LMDB
 */
export async function findPageDefect(path: string): Promise<Defect | undefined> {
  const descriptor = openSync(path, "r");
  let check: PageCheck | undefined;
  try {
    check = new PageCheck(descriptor, path);
    await check.run();
    return undefined;
  } catch (thrown) {
    if (isDefect(thrown)) return { what: thrown.message, onlyInFreeList: check?.listsFreePages ?? false };
    throw thrown;
  } finally {
    closeSync(descriptor);
  }
}

class PageCheck {
  readonly #descriptor: number;
  readonly #meta: Meta;
  readonly #pageSize: number;
  /** How many pages the file has, used or free. */
  readonly #pages: number;
  /** 1 for each page that the check has reached. No page may be reached twice. */
  readonly #reached: Uint8Array;
  #untilPause = PAGES_PER_TURN;
  /** Whether the check has come to the tree that lists the free pages. */
  listsFreePages = false;
  /** The commit of the last entry of this tree that was checked. */
  #freedBy = 0;

  constructor(descriptor: number, path: string) {
    const metaPages = readMetaPages(descriptor, path);
    this.#descriptor = descriptor;
    this.#pageSize = metaPages.length / 2;
    this.#meta = newestMeta(metaPages);
    this.#pages = Math.min(this.#meta.pages, Math.floor(fstatSync(descriptor).size / this.#pageSize));
    this.#reached = new Uint8Array(this.#pages);
    this.#reached.fill(1, 0, 2);
  }

  async run(): Promise<void> {
    await this.#checkTree(this.#meta.main);
    // The list of free pages comes last. By then the check has reached all pages in use, and none of them may
    // be listed as free.
    this.listsFreePages = true;
    await this.#checkTree(this.#meta.free);
  }

  async #checkTree({ root, depth, entries }: Tree): Promise<void> {
    if (root === undefined) return;
    const found = await this.#checkPage(root, depth);
    if (found !== entries) throw new PageDefect(`a tree has ${found} entries instead of ${entries}`);
  }

  /**
   * @param level number of levels from the page down to the leaves; 1 if the page has to be a leaf
   * @returns the number of entries below the page
   */
  async #checkPage(number: number, level: number): Promise<number> {
    this.#untilPause -= 1;
    if (this.#untilPause === 0) {
      this.#untilPause = PAGES_PER_TURN;
      await setImmediate();
    }
    const page = new NodePage(this.#readPage(number, level === 1 ? "leaf" : "branch", 1), number);
    let below = 0;
    for (let index = 0; index < page.length; index++) {
      if (level === 1) {
        if (this.listsFreePages) this.#checkFreedBy(page.key(index));
        await this.#checkEntry(page.data(index));
      } else below += await this.#checkPage(page.child(index), level - 1);
    }
    return level === 1 ? page.length : below;
  }

  async #checkEntry(data: NodeData): Promise<void> {
    if (data.kind === "overflow") this.#checkOverflow(data.page, data.size);
    else if (data.kind === "tree") await this.#checkTree(data.tree);
    else if (this.listsFreePages) this.#checkFreePages(data.bytes);
  }

  #checkOverflow(number: number, size: number): void {
    const count = overflowPages(size, this.#pageSize);
    checkOverflow(this.#readPage(number, "overflow", count), number, count);
    if (!this.listsFreePages) return;
    const list = Buffer.allocUnsafe(size);
    readSync(this.#descriptor, list, 0, size, number * this.#pageSize + PAGE_HEADER_BYTES);
    this.#checkFreePages(list);
  }

  /** Each entry of the list has the pages that one commit has freed. LMDB cannot use an entry of commit 0. */
  #checkFreedBy(key: Buffer): void {
    const commit = Number(key.readBigUInt64LE(0));
    if (commit <= this.#freedBy || commit > this.#meta.commit) {
      throw new PageDefect(`free pages are listed under the commit ${commit} after ${this.#freedBy}`);
    }
    this.#freedBy = commit;
  }

  /**
   * Reads a list of free pages: a count, then that many numbers. A positive number is a page. A negative
   * number is the length of a run of pages. The number after it is the first page of the run.
   */
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

  /** Marks free pages as reached. The file may end before the last of them. */
  #markFree(first: number, count: number): void {
    if (this.#reached.subarray(first, first + count).includes(1)) {
      throw new PageDefect(`page ${first} is in use, and listed as free`);
    }
    this.#reached.fill(1, first, first + count);
  }

  /** Reads the first of `count` pages, none of which may have been reached before. */
  #readPage(number: number, kind: PageKind, count: number): Buffer {
    if (number + count > this.#pages) throw new PageDefect(`page ${number} is beyond the file's end`);
    if (this.#reached.subarray(number, number + count).includes(1)) {
      throw new PageDefect(`page ${number} belongs to two places`);
    }
    this.#reached.fill(1, number, number + count);
    const page = Buffer.allocUnsafe(this.#pageSize);
    const read = readSync(this.#descriptor, page, 0, page.length, number * this.#pageSize);
    if (read < page.length) throw new PageDefect(`page ${number} ends after ${read} bytes`);
    checkHeader(page, number, kind);
    return page;
  }
}
