/** Sizes as people write and read them. Pure. */
import { rounded } from "./ratios.ts";

/** Each unit is 1024 times the previous unit. */
const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `512 B`, `4.2 MiB`, `16 MiB`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${rounded(bytes / 1024 ** power)} ${units[power]}`;
}

/** A number of MiB: `300 MiB`; one that is not whole, as 64 MB are, like {@link formatBytes}. */
export function formatMebibytes(mebibytes: number): string {
  return Number.isInteger(mebibytes) ? `${mebibytes} MiB` : formatBytes(mebibytes * 2 ** 20);
}

/**
 * `50MB`, `1.5GB`, `48MiB`: a size with the unit that people mean, in powers of 1000 or of 1024.
 * @returns whole bytes; undefined if the text is not such a size
 */
export function parseAnySize(text: string): number | undefined {
  const [, amount, prefix = "", binary] = /^(\d+(?:\.\d+)?) ?([kKMGT]?)(i?)B$/.exec(text) ?? [];
  if (amount === undefined || (binary === "i" && prefix === "")) return undefined;
  const power = ["", "k", "m", "g", "t"].indexOf(prefix.toLowerCase());
  return Math.round(Number(amount) * (binary === "i" ? 1024 : 1000) ** power);
}

/** `64MiB`, `1.5GiB`, as sizes are shown. @returns bytes; undefined if the text is not a size */
export function parseSize(text: string): number | undefined {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text) ?? [];
  return units.includes(unit) ? Number(amount) * 1024 ** units.indexOf(unit) : undefined;
}
