/** Explains the value of a limit. The kernel's cgroup-v2.rst describes the files. Pure. */
import { formatBytes } from "../../../units/sizes.ts";

/** @returns empty if the value needs no explanation */
export function limitMeaning(file: string, value: string): string {
  if (file.startsWith("memory.") && /^\d+$/.test(value)) return formatBytes(Number(value));
  const [quota, period] = value.split(" ").map(Number);
  if (file === "cpu.max" && quota !== undefined && period !== undefined && quota > 0) {
    return `${((100 * quota) / period).toFixed(1)} % of a core`;
  }
  return "";
}
