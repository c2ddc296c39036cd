/** What a file system lacks for disk limits, and how to turn on its project quotas. Pure. */

interface Remedy {
  readonly problem: string;
  /** A sentence without its full stop. */
  readonly remedy: string;
}

const ext4: Remedy = {
  problem: "this ext4 has them turned off",
  remedy:
    "While it is not mounted: tune2fs -O project,quota -Q prjquota DEVICE; then mount it with the option prjquota",
};

const counted: Remedy = {
  problem: "this file system counts what projects use, but enforces no limit",
  remedy: "Mount it with the option prjquota (for ext4, mount -o remount,prjquota is enough)",
};

const xfs: Remedy = {
  problem: "this xfs is mounted without them",
  remedy:
    "Unmount it, and mount it with the option prjquota; a remount does not turn them on. For the root file system, add rootflags=prjquota to the kernel's command line",
};

/** By the names that mountinfo has. */
const remedies: Readonly<Record<string, Remedy>> = { ext4, xfs };

/** `f_type` of statfs(2). */
const types: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
]);

/**
 * @param type a file system's `f_type`, or its name
 * @param isCounted whether it has project quotas that are not enforced
 */
export function remedyFor(type: number | string, isCounted: boolean): Remedy {
  if (isCounted) return counted;
  const name = typeof type === "string" ? type : types.get(type);
  return (
    (name === undefined ? undefined : remedies[name]) ?? {
      problem: "only ext4 and xfs have them",
      remedy: "Put the agent's data_dir on a file system of ext4 or xfs with project quotas",
    }
  );
}
