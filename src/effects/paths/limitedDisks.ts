/** Where the host can limit what tasks write. */
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { mountLines } from "./mountinfo.ts";

/** Mount points of file systems that enforce project quotas. */
export function limitedDisks(): string[] {
  return projectQuotaPoints(readKernelFile("/proc/self/mountinfo") ?? "");
}

/** These file systems have the option `prjquota`, as ext4 and xfs show it. Pure. */
export function projectQuotaPoints(mountinfo: string): string[] {
  return mountLines(mountinfo)
    .filter(({ options }) => options.split(",").includes("prjquota"))
    .map(({ point }) => point);
}
