/**
 * Native addons in the executable. The dynamic linker loads only files. So an addon becomes a sealed memfd,
 * which needs no folder and which nobody can change.
 */
import { closeSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRawAsset } from "node:sea";
import { DriverError, messageOf } from "../base/errors.ts";
import { executableMemfd, isRefusal } from "../effects/kernel/memfd.ts";

/**
 * Loads the addon that is in the executable under this name, and returns its exports.
 * @throws DriverError `UNSUPPORTED` if the addon can be loaded neither from memory nor from a folder
 */
export function loadAddon(name: string): unknown {
  const bytes = Buffer.from(getRawAsset(name));
  try {
    return loadFromMemory(name, bytes);
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown;
    return loadFromFolder(name, bytes);
  }
}

function loadFromMemory(name: string, bytes: Uint8Array): unknown {
  const memfd = executableMemfd(name, bytes);
  try {
    return load(`/proc/self/fd/${memfd}`);
  } finally {
    closeSync(memfd);
  }
}

/**
 * Loads the addon from a folder that only root may enter. The folder is removed at once: the linker needs no
 * file after it has mapped the addon.
 */
function loadFromFolder(name: string, bytes: Uint8Array): unknown {
  let refusal: unknown;
  for (const parent of ["/run", "/dev/shm", tmpdir(), "/var/tmp"]) {
    try {
      const folder = mkdtempSync(join(parent, "exec2-addon-"));
      try {
        const path = join(folder, name);
        writeFileSync(path, bytes, { mode: 0o500 });
        return load(path);
      } finally {
        rmSync(folder, { recursive: true });
      }
    } catch (thrown) {
      refusal = thrown;
    }
  }
  throw new DriverError(
    "UNSUPPORTED",
    `${name} can be loaded neither from memory nor from a folder: ${messageOf(refusal)}`,
    {
      hint: "Set the sysctl vm.memfd_noexec to 1 or 0, or mount one of /run, /dev/shm, /tmp and /var/tmp without noexec",
      cause: refusal,
    },
  );
}

function load(path: string): unknown {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports;
}
