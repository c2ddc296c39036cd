/** What a limit says, for people. Pure; cgroup-v2.rst of the kernel tells the files. */
import { formatBytes } from "../../../units/sizes.ts";

/** @returns empty where the value says it itself */
export function limitMeaning(file: string, value: string): string {
  if (file.startsWith("memory.") && /^\d+$/.test(value)) return formatBytes(Number(value));
  const [quota, period] = value.split(" ").map(Number);
  if (file === "cpu.max" && quota !== undefined && period !== undefined && quota > 0) {
    return `${((100 * quota) / period).toFixed(1)} % of a core`;
  }
  return "";
}
