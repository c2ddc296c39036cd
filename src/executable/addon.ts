/**
 * Native addons in the executable. The dynamic linker loads only files. So an addon becomes a file without a
 * name, which nobody else can open and which disappears with the process.
 */
import { closeSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { getRawAsset } from "node:sea";
import { DriverError, messageOf } from "../base/errors.ts";
import * as k from "../effects/kernel/constants.ts";

/**
 * Folders for the files; a file in at least one of them must be executable. Those that are usually in memory
 * come first, because a disk might delay the start. On hardened hosts, all but the last one may be `noexec`.
 */
const folders = ["/dev/shm", "/run", tmpdir(), "/var/tmp", dirname(process.execPath)];

/** The folder from which the last addon was loaded. */
let usable: string | undefined;

/**
 * Loads the addon that is in the executable under this name, and returns its exports.
 * @throws DriverError `UNSUPPORTED` if the addon can be loaded from none of the folders
 */
export function loadAddon(name: string): unknown {
  const bytes = Buffer.from(getRawAsset(name));
  let refusal: unknown;
  for (const folder of usable === undefined ? folders : [usable, ...folders]) {
    try {
      const exported = loadFrom(folder, bytes);
      usable = folder;
      return exported;
    } catch (thrown) {
      refusal = thrown;
    }
  }
  const tried = `${folders.slice(0, -1).join(", ")} and ${folders.at(-1)}`;
  throw new DriverError("UNSUPPORTED", `${name} cannot be loaded: ${messageOf(refusal)}`, {
    hint: `Make one of ${tried} writable, on a file system that is mounted without noexec`,
    cause: refusal,
  });
}

function loadFrom(folder: string, bytes: Uint8Array): unknown {
  const file = openUnnamed(folder);
  try {
    writeFileSync(file, bytes);
    return load(file);
  } finally {
    closeSync(file);
  }
}

/** A new file that is in no folder any more, close-on-exec. Only its owner may open it, by its descriptor. */
function openUnnamed(folder: string): number {
  const mode = 0o500;
  try {
    return openSync(folder, k.O_TMPFILE | k.O_RDWR | k.O_EXCL, mode);
  } catch {
    // Some file systems, such as NFS, have no files without a name.
    const path = join(folder, `exec2-addon-${crypto.randomUUID()}`);
    const file = openSync(path, k.O_CREAT | k.O_RDWR | k.O_EXCL, mode);
    unlinkSync(path);
    return file;
  }
}

function load(file: number): unknown {
  const module = { exports: {} };
  process.dlopen(module, pathOf(file));
  return module.exports;
}

let paths = 0;

/** Descriptors' numbers are reused, but the linker takes files with equal paths for the same addon. */
function pathOf(file: number): string {
  return `/proc/self/fd${"/.".repeat(paths++)}/${file}`;
}
