/** Opens processes by their identity. */
import { closeSync } from "node:fs";
import { hasErrno } from "../../errors.ts";
import { pidfdOpen } from "../kernel/libc.ts";
import { isSameProcess, type ProcessIdentity } from "./processIdentity.ts";

/**
 * Opens the pidfd before it checks the identity, because what a pidfd refers to can't change any more.
 * @returns a pidfd, which the caller closes; undefined if the process has exited
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function openProcess(process: ProcessIdentity): number | undefined {
  let pidfd: number;
  try {
    pidfd = pidfdOpen(process.pid);
  } catch (thrown) {
    if (hasErrno(thrown, "ESRCH")) return undefined;
    throw thrown;
  }
  if (isSameProcess(process)) return pidfd;
  closeSync(pidfd);
  return undefined;
}
