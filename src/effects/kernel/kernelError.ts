/** The error of a call that the kernel refused. */
import { DriverError } from "../../errors.ts";

/**
 * @param call the system call or library function
 * @param errno its symbolic errno, such as `ENOENT`
 * @param path the call's argument
 */
export function kernelError(call: string, errno: string, path?: string): DriverError {
  return new DriverError("KERNEL_CALL_FAILED", "the kernel refused a call", {
    failed: { call, errno, ...(path === undefined ? {} : { path }) },
  });
}
