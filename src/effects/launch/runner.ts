/** The plan runner as something to execute: a sealed memfd or, where memfds can't be executed, a file. */
import { chmodSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DriverError } from "../../errors.ts";
import * as k from "../kernel/constants.ts";
import { addSeals, memfdCreate } from "../kernel/libc.ts";
import type { Architecture } from "../kernel/systemCalls.ts";
import { runnerArm64 } from "./runnerArm64.ts";
import { runnerX86 } from "./runnerX86.ts";

/** @throws DriverError `UNSUPPORTED` where there is no runner for this machine */
export function runnerArchitecture(): Architecture {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new DriverError("UNSUPPORTED", `tasks cannot be started on ${process.arch}`, {
    hint: "The driver runs on x86-64 and arm64",
  });
}

/**
 * A path that a child of this process can execute: `/proc/self/fd/<n>` of a memfd
 * that stays open, and that a task can't change whatever it gets hold of.
 * @throws DriverError `KERNEL_CALL_FAILED`, with `EACCES` where memfds are never executable (`vm.memfd_noexec` = 2)
 */
export function runnerInMemory(): string {
  const memfd = createExecutableMemfd("exec2-init");
  writeSync(memfd, runnerBytes());
  addSeals(memfd, k.F_SEAL_SEAL | k.F_SEAL_SHRINK | k.F_SEAL_GROW | k.F_SEAL_WRITE);
  return `/proc/self/fd/${memfd}`;
}

/**
 * The path of a file with the runner in a folder.
 * @param folder root's alone, on a file system without `noexec`
 * @throws DriverError `STATE_DIR_UNUSABLE` where it cannot be written
 */
export function runnerInFolder(folder: string): string {
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

function createExecutableMemfd(name: string): number {
  const flags = k.MFD_CLOEXEC | k.MFD_ALLOW_SEALING;
  try {
    return memfdCreate(name, flags | k.MFD_EXEC);
  } catch (thrown) {
    // Before kernel 6.3 there is no such flag, and every memfd can be executed.
    if (!(thrown instanceof DriverError) || thrown.failed?.errno !== "EINVAL") throw thrown;
    return memfdCreate(name, flags);
  }
}

function runnerBytes(): Uint8Array {
  return Buffer.from(runnerArchitecture() === "x64" ? runnerX86 : runnerArm64, "base64");
}
