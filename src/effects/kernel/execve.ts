/** Replaces the program of this process. */
import { libc } from "./bindings.ts";
import * as k from "./constants.ts";
import { errnoName, kernelError } from "./kernelError.ts";
import { checked } from "./libc.ts";
import { stringList } from "./posixSpawn.ts";

/**
 * execve(2). Of this process's descriptors, the program gets the standard streams, and those that this process
 * has opened without close-on-exec.
 * @param env `NAME=value`
 * @throws DriverError `KERNEL_CALL_FAILED` if the program cannot be executed
 */
export function execve(file: string, argv: readonly string[], env: readonly string[]): never {
  const { execve, fcntl, errno } = libc();
  // Node makes inherited descriptors close on exec, also these.
  for (const stream of [0, 1, 2]) checked(fcntl(stream, k.F_SETFD, 0), "fcntl");
  // Returns only if it fails.
  execve(file, stringList(argv), stringList(env));
  throw kernelError("execve", errnoName(errno()), file);
}
