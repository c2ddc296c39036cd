/** Sizes as people write and read them. Pure. */
import { rounded } from "./ratios.ts";

/** Each unit is 1024 times the previous unit. */
const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `512 B`, `4.2 MiB`, `16 MiB`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${rounded(bytes / 1024 ** power)} ${units[power]}`;
}

/** `64MiB`, `1.5GiB`. @returns bytes; undefined if the text is not a size */
export function parseSize(text: string): number | undefined {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text) ?? [];
  return units.includes(unit) ? Number(amount) * 1024 ** units.indexOf(unit) : undefined;
}
