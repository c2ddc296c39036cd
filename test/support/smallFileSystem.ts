/** File systems that can be filled, for the duration of a test. Needs root. */
import { spawnSync } from "node:child_process";
import { expect, onTestFinished } from "vitest";
import { temporaryFolder } from "./temporaryFolder.ts";

/**
 * @param size as tmpfs(5) takes it, such as `40m`
 * @returns the folder that it is mounted at
 */
export function smallFileSystem(size: string): string {
  const folder = temporaryFolder();
  run("mount", "-t", "tmpfs", "-o", `size=${size},mode=711`, "tmpfs", folder);
  // Whoever still has a file of it open must not hold up the test.
  onTestFinished(() => run("umount", "--lazy", folder));
  return folder;
}

export function remountReadOnly(folder: string): void {
  run("mount", "-o", "remount,ro", folder);
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  expect({ command, status, stderr }).toEqual({ command, status: 0, stderr: "" });
}
