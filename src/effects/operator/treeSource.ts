/**
 * Reads a folder or file to copy it, while a hostile task may change it. Each file is opened once as a mere place
 * (`O_PATH`), judged by what was opened, and then read through that descriptor: a FIFO or a device that takes a file's
 * place is never opened. Folders are opened by their whole path below the first one, without symlinks.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  read as readWithCallback,
  statfsSync,
} from "node:fs";
import { opendir } from "node:fs/promises";
import { promisify } from "node:util";
import { DriverError } from "../../base/errors.ts";
import {
  CGROUP2_SUPER_MAGIC,
  O_DIRECTORY,
  O_PATH,
  PROC_SUPER_MAGIC,
  RESOLVE_BENEATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  SEEK_DATA,
  SEEK_HOLE,
  SYSFS_MAGIC,
} from "../kernel/constants.ts";
import { seek, tryOpenat2 } from "../kernel/libc.ts";
import {
  type CopiedEntry,
  type CopiedFile,
  copiedModeBits,
  type Extent,
  type Remark,
} from "./copiedEntry.ts";

/** How paths below an opened folder are resolved, whoever changes them meanwhile. */
export const beneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

const read = promisify(readWithCallback);

/** Bytes of one read. */
const chunkBytes = 1024 * 1024;

/** Maximum number of folders that wait to be read: their names take memory. */
const maxWaiting = 1_000_000;

/** File systems that hold no files, but what the kernel knows; some of their files never end. */
const pseudo: ReadonlySet<number> = new Set([PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP2_SUPER_MAGIC]);

export interface SourceWatch {
  /** Called with each file before it is read. */
  readonly reads: (path: string, status: BigIntStats) => void;
  readonly remark: (remark: Remark) => void;
}

/**
 * The entries of what is copied, each folder before its content.
 * @param top descriptor (`O_PATH`) of a folder or a regular file; it stays open
 * @throws DriverError `COPY_FAILED` if the top itself cannot be copied, or for too many folders
 */
export async function* entriesBelow(top: number, watch: SourceWatch): AsyncGenerator<CopiedEntry> {
  const status = fstatSync(top, { bigint: true });
  if (!status.isDirectory()) {
    const problem = status.isFile() ? undefined : kindOf(status);
    if (problem !== undefined)
      throw new DriverError("COPY_FAILED", `it is ${problem}: only folders and files are copied`);
    yield* fileEntry("", top, watch);
    return;
  }
  if (isPseudo(top)) throw new DriverError("COPY_FAILED", `it is ${pseudoText}`);
  yield { kind: "folder", path: "", mode: Number(status.mode) & copiedModeBits };
  const waiting = [""];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for await (const entry of entriesIn(top, folder, watch)) {
      if (entry.kind === "folder") waiting.push(entry.path);
      // Within a folder, too: a single one may have any number of them.
      if (waiting.length > maxWaiting)
        throw new DriverError("COPY_FAILED", `it has more than ${maxWaiting} folders that wait to be copied`);
      yield entry;
    }
  }
}

async function* entriesIn(top: number, folder: string, watch: SourceWatch): AsyncGenerator<CopiedEntry> {
  using opened = new DisposableStack();
  const found = tryOpenat2(top, folder || ".", { flags: O_PATH | O_DIRECTORY, resolve: beneath });
  if (typeof found !== "number") {
    watch.remark({ path: folder, what: lostText(found.errno), isLoss: true });
    return;
  }
  opened.adopt(found, closeSync);
  for await (const { name } of await opendir(`/proc/self/fd/${found}`)) {
    yield* entryAt(found, name, folder === "" ? name : `${folder}/${name}`, watch);
  }
}

async function* entryAt(
  folder: number,
  name: string,
  path: string,
  watch: SourceWatch,
): AsyncGenerator<CopiedEntry> {
  if (name.includes("\ufffd")) {
    watch.remark({ path, what: "its name is no UTF-8", isLoss: true });
    return;
  }
  using opened = new DisposableStack();
  const found = tryOpenat2(folder, name, { flags: O_PATH | constants.O_NOFOLLOW, resolve: beneath });
  if (typeof found !== "number") {
    watch.remark({ path, what: lostText(found.errno), isLoss: true });
    return;
  }
  opened.adopt(found, closeSync);
  const status = fstatSync(found, { bigint: true });
  const left = kindOf(status);
  if (left !== undefined) watch.remark({ path, what: `it is ${left}`, isLoss: false });
  else if (status.isDirectory()) {
    if (isPseudo(found)) watch.remark({ path, what: `it is ${pseudoText}`, isLoss: false });
    else yield { kind: "folder", path, mode: Number(status.mode) & copiedModeBits };
  } else if (status.isSymbolicLink()) {
    const target = targetOf(folder, name);
    if (target === undefined) watch.remark({ path, what: lostText("EINVAL"), isLoss: true });
    else yield { kind: "link", path, target };
  } else yield* fileEntry(path, found, watch);
}

/** The text of a link. If another link has taken its place, it is that one's: a text cannot do harm. */
function targetOf(folder: number, name: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${folder}/${name}`);
  } catch {
    return undefined;
  }
}

/** @param place descriptor (`O_PATH`) of a regular file */
async function* fileEntry(path: string, place: number, watch: SourceWatch): AsyncGenerator<CopiedEntry> {
  using opened = new DisposableStack();
  let descriptor: number;
  try {
    descriptor = opened.adopt(
      openSync(`/proc/self/fd/${place}`, constants.O_RDONLY | constants.O_NONBLOCK),
      closeSync,
    );
  } catch (thrown) {
    if (path === "") throw DriverError.from(thrown, "COPY_FAILED", "it cannot be read");
    watch.remark({ path, what: lostText((thrown as NodeJS.ErrnoException).code ?? "EIO"), isLoss: true });
    return;
  }
  const before = fstatSync(descriptor, { bigint: true });
  if (before.size > BigInt(Number.MAX_SAFE_INTEGER)) {
    watch.remark({ path, what: "it claims to be larger than any disk", isLoss: true });
    return;
  }
  watch.reads(path, before);
  yield { kind: "file", path, ...fileOf(descriptor, before) };
  const after = fstatSync(descriptor, { bigint: true });
  if (after.mtimeNs !== before.mtimeNs || after.size !== before.size)
    watch.remark({ path, what: "it was changed while it was copied", isLoss: true });
}

function fileOf(descriptor: number, { mode, mtimeMs, size }: BigIntStats): CopiedFile {
  const length = Number(size);
  const extents = () => extentsOf(descriptor, length);
  return {
    mode: Number(mode) & copiedModeBits,
    changedMs: Number(mtimeMs),
    size: length,
    extents,
    async *chunks() {
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, Math.max(1, length)));
      for (const { from, to } of extents()) {
        for (let at = from; at < to; ) {
          const { bytesRead } = await read(descriptor, buffer, 0, Math.min(buffer.length, to - at), at);
          // The file has become shorter. What it lacks stays a hole, and the change is remarked.
          if (bytesRead === 0) return;
          yield { at, bytes: buffer.subarray(0, bytesRead) };
          at += bytesRead;
        }
      }
    },
  };
}

/** Only up to the file's length at its opening: a file may grow as fast as it is read. */
function* extentsOf(descriptor: number, length: number): Generator<Extent> {
  for (let at = 0; at < length; ) {
    const from = seek(descriptor, at, SEEK_DATA);
    if (from === undefined || from >= length) return;
    const to = Math.min(length, seek(descriptor, from, SEEK_HOLE) ?? length);
    if (to <= from) return;
    yield { from, to };
    at = to;
  }
}

function isPseudo(descriptor: number): boolean {
  return pseudo.has(statfsSync(`/proc/self/fd/${descriptor}`).type);
}

const pseudoText = "a folder of the kernel's, such as /proc";

/** What is not copied, in words; undefined for folders, files and links. */
function kindOf(status: BigIntStats): string | undefined {
  if (status.isFIFO()) return "a FIFO";
  if (status.isSocket()) return "a socket";
  return status.isCharacterDevice() || status.isBlockDevice() ? "a device" : undefined;
}

function lostText(errno: string): string {
  return errno === "ENOENT" || errno === "ELOOP" || errno === "ENOTDIR" || errno === "EINVAL"
    ? "it was changed while it was copied"
    : `it cannot be read (${errno})`;
}
