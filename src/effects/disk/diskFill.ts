/** How full the limits on a task's disk are, as its history and its agent are told. Pure. */
import { countOf, formatCount } from "../../units/counts.ts";
import { formatBytes } from "../../units/sizes.ts";
import type { ProjectUsage } from "./projectQuota.ts";

/** Folders with a limit: the task's own, `local` and `tmp`, and the one that the allocation's tasks share. */
export const limitedFolders = ["own", "shared"] as const;

export type LimitedFolders = (typeof limitedFolders)[number];

/** Percent of a limit that are told once a run when they are used. */
export const toldPercents = [90, 100] as const;

/** What of a limit is used. A limit holds for bytes, and for files: see `bytesPerFile`. */
export interface DiskFill {
  /** The highest of {@link toldPercents} that is reached. */
  readonly percent: (typeof toldPercents)[number];
  readonly unit: "bytes" | "files";
  readonly used: number;
  readonly limit: number;
}

/** Programs write pieces of this size at most, as a rule. What has less room than that is full. */
const pieceBytes = 65_536;

/** Undefined below 90 %, and without a limit. Of bytes and files, what is fuller is told. */
export function fillOf({ bytes, files, limitBytes, limitFiles }: ProjectUsage): DiskFill | undefined {
  const fills = [fill("bytes", bytes, limitBytes, pieceBytes), fill("files", files, limitFiles, 1)].filter(
    (each) => each !== undefined,
  );
  return fills.reduce<DiskFill | undefined>(
    (most, each) => (most === undefined || each.percent > most.percent ? each : most),
    undefined,
  );
}

/** @param piece what has less room than this is full */
function fill(unit: DiskFill["unit"], used: number, limit: number, piece: number): DiskFill | undefined {
  if (limit === 0 || used < 0.9 * limit) return undefined;
  return { percent: limit - used < piece ? 100 : 90, unit, used, limit };
}

/** How a limit is called that a {@link DiskFill} tells of. */
export function levelOf({ percent }: Pick<DiskFill, "percent">): "full" | "nearly full" {
  return percent === 100 ? "full" : "nearly full";
}

/** `271 MiB of 300 MiB in its folders local and tmp`. */
export function describeFill(
  { unit, used, limit }: Omit<DiskFill, "percent">,
  folders: LimitedFolders,
): string {
  const [amount, of] =
    unit === "bytes" ? [formatBytes(used), formatBytes(limit)] : [formatCount(used), countOf(limit, "file")];
  return `${amount} of ${of} in ${folderNames[folders]}`;
}

const folderNames: Readonly<Record<LimitedFolders, string>> = {
  own: "its folders local and tmp",
  shared: "the allocation's shared folder",
};
