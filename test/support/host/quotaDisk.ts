/** File systems with project quotas, or without them, in files that are mounted by a loop device. */
import { execFileSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, truncateSync, writeFileSync } from "node:fs";
import { nextUsage, type ProjectUsage, readUsage } from "../../../src/effects/disk/projectQuota.ts";

export type DiskKind =
  | "ext4"
  | "xfs"
  | "xfs without quotas"
  | "ext4 without quotas"
  | "ext4 that only counts";

const withQuotas = ["-O", "project,quota", "-E", "quotatype=prjquota"];

/** How each kind is made and mounted. xfs takes 300 MiB at least. */
const kinds: Readonly<Record<DiskKind, { make: string[]; mebibytes: number; options: string }>> = {
  ext4: { make: ["mkfs.ext4", "-q", "-F", ...withQuotas], mebibytes: 128, options: "loop,prjquota" },
  xfs: { make: ["mkfs.xfs", "-q", "-f"], mebibytes: 320, options: "loop,prjquota" },
  "xfs without quotas": { make: ["mkfs.xfs", "-q", "-f"], mebibytes: 320, options: "loop" },
  "ext4 without quotas": { make: ["mkfs.ext4", "-q", "-F"], mebibytes: 64, options: "loop" },
  "ext4 that only counts": { make: ["mkfs.ext4", "-q", "-F", ...withQuotas], mebibytes: 64, options: "loop" },
};

export interface QuotaDisk extends Disposable {
  /** Where it is mounted: everybody may pass. */
  readonly path: string;
  /** The projects that have a limit, or files. Project 0 is left out. */
  projects(): (ProjectUsage & { readonly id: number })[];
  usage(project: number): ProjectUsage;
}

/** Mounts the file system. @param image a file, which is made if it is missing */
export function mountQuotaDisk(kind: DiskKind, image: string, path: string): QuotaDisk {
  const { make, mebibytes, options } = kinds[kind];
  for (const module of ["loop", "quota_v2", "xfs"]) {
    try {
      execFileSync("modprobe", [module], { stdio: "ignore" });
    } catch {
      // It may be built in.
    }
  }
  if (!existsSync(image)) {
    writeFileSync(image, "");
    truncateSync(image, mebibytes * 2 ** 20);
    const [command = "", ...args] = make;
    execFileSync(command, [...args, image]);
  }
  mkdirSync(path, { recursive: true });
  execFileSync("mount", ["-o", options, image, path]);
  chmodSync(path, 0o755);
  const opened = <Value>(use: (descriptor: number) => Value): Value => {
    const descriptor = openSync(path, "r");
    try {
      return use(descriptor);
    } finally {
      closeSync(descriptor);
    }
  };
  return {
    path,
    usage: (project) => opened((descriptor) => readUsage(descriptor, project)),
    projects: () =>
      opened((descriptor) => {
        const found: (ProjectUsage & { readonly id: number })[] = [];
        for (let next = nextUsage(descriptor, 1); next; next = nextUsage(descriptor, next.id + 1)) {
          found.push(next);
          if (next.id === 2 ** 32 - 1) break;
        }
        return found;
      }),
    [Symbol.dispose]: () => execFileSync("umount", [path]),
  };
}
