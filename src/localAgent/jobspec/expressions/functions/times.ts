/** HCL2's time functions. Pure. */
import { goUnits, parseDuration } from "../../../../units/durations.ts";
import { type Functions, fail, takes, text } from "./define.ts";
import { dayNames, monthNames } from "./goFormat.ts";

export const timeFunctions: Functions = {
  formatdate: takes([text, text], formatDate),
  timeadd: takes([text, text], timeAdd),
};

interface Time {
  /** The clock time in the time's own zone, as if it were UTC. */
  readonly local: Date;
  readonly zone: string;
}

/** Parses RFC 3339. */
function timeOf(value: string): Time {
  const [, date, zone = ""] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(value) ?? [];
  const local = new Date(`${date}Z`);
  if (Number.isNaN(local.getTime())) return fail("its time must have a form like 2026-01-31T12:00:00Z");
  return { local, zone };
}

function timeAdd(value: string, duration: string): string {
  const { local, zone } = timeOf(value);
  const [, sign, amount = ""] = /^([+-]?)(.*)$/s.exec(duration) ?? [];
  const milliseconds = parseDuration(amount, goUnits);
  if (milliseconds === undefined) return fail("its duration must have a form like 90m");
  const moved = new Date(local.getTime() + (sign === "-" ? -1 : 1) * milliseconds);
  return `${moved.toISOString().slice(0, 19)}${zone}`;
}

/** Replaces letters with parts of the time. Other characters, and letters in single quotes, are literal. */
function formatDate(spec: string, value: string): string {
  const time = timeOf(value);
  return spec.replaceAll(/'((?:[^']|'')*)'|([A-Za-z])\2*|'/g, (part, quoted?: string) => {
    if (quoted !== undefined) return quoted.replaceAll("''", "'");
    const word = dateWord(part, time);
    return word ?? fail(`${JSON.stringify(part)} in its format means nothing (literal text stands in '…')`);
  });
}

function dateWord(word: string, { local, zone }: Time): string | undefined {
  const two = (part: number) => String(part).padStart(2, "0");
  const hours = local.getUTCHours();
  const month = local.getUTCMonth();
  const monthName = monthNames[month] ?? "";
  const day = dayNames[local.getUTCDay()] ?? "";
  const words: Readonly<Record<string, string>> = {
    YYYY: String(local.getUTCFullYear()).padStart(4, "0"),
    YY: two(local.getUTCFullYear() % 100),
    MMMM: monthName,
    MMM: monthName.slice(0, 3),
    MM: two(month + 1),
    M: String(month + 1),
    DD: two(local.getUTCDate()),
    D: String(local.getUTCDate()),
    EEEE: day,
    EEE: day.slice(0, 3),
    hh: two(hours),
    h: String(hours),
    HH: two(hours % 12 || 12),
    H: String(hours % 12 || 12),
    AA: hours < 12 ? "AM" : "PM",
    aa: hours < 12 ? "am" : "pm",
    mm: two(local.getUTCMinutes()),
    m: String(local.getUTCMinutes()),
    ss: two(local.getUTCSeconds()),
    s: String(local.getUTCSeconds()),
    ZZZZZ: zone === "Z" ? "+00:00" : zone,
    ZZZZ: zone === "Z" ? "+0000" : zone.replace(":", ""),
    ZZZ: zone === "Z" ? "UTC" : zone.replace(":", ""),
    Z: zone,
  };
  return words[word];
}
