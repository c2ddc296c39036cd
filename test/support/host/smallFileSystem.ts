/** Small file systems that a test can fill. Needs root. */
import { spawnSync } from "node:child_process";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "./temporaryFolder.ts";

/**
 * Mounts a file system until the test has finished.
 * @param size as tmpfs(5) takes it, such as `40m`
 * @returns the folder that it is mounted at
 */
export function smallFileSystem(size: string): string {
  const folder = temporaryFolder();
  mountSmallFileSystem(folder, size);
  onTestFinished(() => unmount(folder));
  return folder;
}

/** The caller must unmount it. */
export function mountSmallFileSystem(folder: string, size: string): void {
  run("mount", "-t", "tmpfs", "-o", `size=${size},mode=711`, "tmpfs", folder);
}

/** Unmounts lazily, so that open files do not prevent the unmount. */
export function unmount(folder: string): void {
  run("umount", "--lazy", folder);
}

export function remountReadOnly(folder: string): void {
  run("mount", "-o", "remount,ro", folder);
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}
