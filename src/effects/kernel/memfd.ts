/** Files in memory (memfds) that can be executed, and that nobody can change. */
import { closeSync, writeSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import * as k from "./constants.ts";
import { addSeals, memfdCreate } from "./libc.ts";

/**
 * A sealed memfd, close-on-exec.
 * @param name appears in `/proc/<pid>/exe` and similar links
 * @throws DriverError `KERNEL_CALL_FAILED`; with `EACCES` if the host forbids executable memfds:
 *   {@link isRefusal}
 */
export function executableMemfd(name: string, bytes: Uint8Array): number {
  const memfd = createExecutable(name);
  try {
    writeSync(memfd, bytes);
    addSeals(memfd, k.F_SEAL_SEAL | k.F_SEAL_SHRINK | k.F_SEAL_GROW | k.F_SEAL_WRITE);
    return memfd;
  } catch (thrown) {
    closeSync(memfd);
    throw thrown;
  }
}

/**
 * Whether the host forbids executable memfds. `vm.memfd_noexec` = 2 and some SELinux policies forbid creating
 * or executing them.
 */
export function isRefusal(thrown: unknown): boolean {
  return thrown instanceof DriverError && thrown.failed?.errno === "EACCES";
}

function createExecutable(name: string): number {
  const flags = k.MFD_CLOEXEC | k.MFD_ALLOW_SEALING;
  try {
    return memfdCreate(name, flags | k.MFD_EXEC);
  } catch (thrown) {
    // Before kernel 6.3 there is no MFD_EXEC, and every memfd can be executed.
    if (!(thrown instanceof DriverError) || thrown.failed?.errno !== "EINVAL") throw thrown;
    return memfdCreate(name, flags);
  }
}
