/** Numbers as people write them, with a unit or without. Pure. */

/** Spans in milliseconds, sizes in bytes: what events hold. */
const units: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** `-3`, `1.5s`, `64MiB`, in milliseconds or bytes; undefined where the text is none. */
export function amountIn(text: string): number | undefined {
  const [, number = "", unit = ""] = /^(-?\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(text) ?? [];
  if (number === "" || !Object.hasOwn(units, unit)) return undefined;
  return Number(number) * (units[unit] as number);
}
