/** The error of a call that the kernel refused. */

import { constants } from "node:os";
import { DriverError } from "../../base/errors.ts";

/**
 * @param call the system call or library function
 * @param errno its symbolic errno, such as `ENOENT`
 * @param path the path that the call was given
 */
export function kernelError(call: string, errno: string, path?: string): DriverError {
  return new DriverError("KERNEL_CALL_FAILED", "the kernel refused a call", {
    failed: { call, errno, ...(path === undefined ? {} : { path }) },
  });
}

/** `ENOENT` for 2; `errno <n>` for the few numbers that Node does not know. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

// EWOULDBLOCK and ENOTSUP have the same numbers as EAGAIN and EOPNOTSUPP. Linux prints EAGAIN and EOPNOTSUPP.
const names = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => name !== "EWOULDBLOCK" && name !== "ENOTSUP")
    .map(([name, errno]) => [errno, name]),
);
// Landlock's error for a descriptor that cannot be used in a rule. Node has no name for this error.
names.set(77, "EBADFD");
