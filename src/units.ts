/** Amounts as people read them. Pure. */

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `512 B`, `4.2 MiB`, `16 MiB`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** power;
  return `${amount < 10 && !Number.isInteger(amount) ? amount.toFixed(1) : Math.round(amount)} ${units[power]}`;
}
