/** A root for `root_dir` that has busybox alone. */
import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import type { Allocation } from "./allocation.ts";

/**
 * Unpacks a tree into `local/tree` of an allocation, with busybox and links to it in `bin`.
 * @returns the tree's path
 */
export function busyboxTree({ taskFolder }: Allocation, programs: readonly string[]): string {
  const tree = `${taskFolder}/local/tree`;
  mkdirSync(`${tree}/bin`, { recursive: true });
  copyFileSync("/usr/bin/busybox", `${tree}/bin/busybox`);
  for (const name of programs) symlinkSync("busybox", `${tree}/bin/${name}`);
  return tree;
}
