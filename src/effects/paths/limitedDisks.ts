/** Where the host can limit what tasks write. */
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { projectQuotaPoints } from "./mountinfo.ts";

/** Mount points of file systems that enforce project quotas. */
export function limitedDisks(): string[] {
  return projectQuotaPoints(readKernelFile("/proc/self/mountinfo") ?? "");
}
