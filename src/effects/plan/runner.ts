/** Spawns the plan runner: from a sealed memfd or, if this host cannot execute memfds, from a file. */
import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { executableMemfd, isRefusal } from "../kernel/memfd.ts";
import { posixSpawn, type SpawnDescriptor } from "../kernel/posixSpawn.ts";
import { type Architecture, supportedArchitecture } from "../kernel/systemCalls.ts";

/**
 * Spawns the runner with an empty environment.
 * @param name its first argument
 * @param folder for the runner's file, if this host cannot execute memfds; only root may have access to the
 *   folder, and its file system must not be mounted `noexec`
 * @returns its pid
 * @throws DriverError `LAUNCH_FAILED` if the runner cannot be executed, `KERNEL_CALL_FAILED` for other
 *   failures
 */
export function spawnRunner(name: string, inherited: readonly SpawnDescriptor[], folder?: string): number {
  try {
    executable ??= runnerInMemory();
    return posixSpawn(executable, [name], [], inherited);
  } catch (thrown) {
    if (!isRefusal(thrown) || folder === undefined) throw thrown;
  }
  executable = runnerInFolder(folder);
  try {
    return posixSpawn(executable, [name], [], inherited);
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown;
    throw new DriverError("LAUNCH_FAILED", "neither a memfd nor the runner's file may be executed", {
      failed: { call: "posix_spawn", path: executable, errno: "EACCES" },
      hint: `Mount the file system of ${folder} without noexec, or set vm.memfd_noexec to 1 or 0`,
      cause: thrown,
    });
  }
}

/** Path of the runner's executable, once it is known. */
let executable: string | undefined;

/** `/proc/self/fd/<n>` of a memfd that stays open. It is sealed, so no task can change it. */
function runnerInMemory(): string {
  return `/proc/self/fd/${executableMemfd("exec2-init", runnerBytes())}`;
}

function runnerInFolder(folder: string): string {
  const path = join(folder, "exec2-init");
  const unfinished = `${path}.${process.pid}`;
  try {
    writeFileSync(unfinished, runnerBytes());
    chmodSync(unfinished, 0o500);
    renameSync(unfinished, path);
    return path;
  } catch (thrown) {
    throw DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the plan runner cannot be written");
  }
}

function runnerBytes(): Uint8Array {
  return Buffer.from(runnerPrograms[supportedArchitecture()], "base64");
}

/**
 * For each architecture, the runner's executable in base64: runnerX86.s or runnerArm64.s, assembled by `as`.
 */
export const runnerPrograms: Readonly<Record<Architecture, string>> = {
  x64:
    "f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAA" +
    "AAAAAEAAAAAAAAAAQAAAAAAASQEAAAAAAABJAQAAAAAAAAAQAAAAAAAAuAkAAAC/AAAAEL4AAEAAugMAAABBujIAAABJx8D/////RTHJ" +
    "DwW4HAAAAL8AAAAQvgAAQAC6DwAAAA8FMcC/AwAAAL4AAAAQugAQAAAPBTHAvwMAAAC+AAABELoAAAIADwW7AAABEEiLA0iLewhIi3MQ" +
    "SItTGEyLUyBMi0MoTItLMA8FSDtDOHQOSD0B8P//cwxIi1tQ689Ii1tA68lIi0tISIXJdAVIicvru0j32FBTuAEAAAC/BAAAAEiJ5roQ" +
    "AAAADwW45wAAAL9/AAAADwU=",
  arm64:
    "f0VMRgIBAQAAAAAAAAAAAAIAtwABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAA" +
    "AAAAAEAAAAAAAAAAQAAAAAAASAEAAAAAAABIAQAAAAAAAAAAAQAAAAAAyBuA0gAAotIBCKDSYgCA0kMGgNIEAICSBQCA0gEAANQoHYDS" +
    "AACi0gEIoNLiAYDSAQAA1OgHgNJgAIDSAQCi0gIAgtIBAADU6AeA0mAAgNIhAKLSQgCg0gEAANQzAKLSaAJA+WCGQKlijkGpZJZCqQEA" +
    "ANRpHkD5HwAJ66AAAFQf/D+xogAAVHMqQPn1//8XcyJA+fP//xdpJkD5aQAAtPMDCarv//8X4AMAy/MDv6kICIDSgACA0uEDAJECAoDS" +
    "AQAA1MgLgNLgD4DSAQAA1A==",
};
