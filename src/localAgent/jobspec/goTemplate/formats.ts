/** Formats values by Go's verbs, and times by Go's layouts. Pure. */
import { dayNames, goFormat, monthNames } from "../expressions/functions/goFormat.ts";
import type { Value } from "../expressions/values.ts";
import { type GoValue, goText, isList, isMap } from "./values.ts";

const parts = /2006|06|January|Jan|01|Monday|Mon|02|15|03|04|05|PM|pm|MST|Z07:00|-0700|-07:00/g;

/**
 * Formats a time by a layout, which shows how the time 2006-01-02 15:04:05 is to be written.
 * @param now milliseconds since 1970
 * @param layout `unix` for seconds since 1970; empty for RFC 3339, in UTC
 */
export function formatTime(now: number, layout: string): string {
  const time = new Date(now);
  const two = (part: number) => String(part).padStart(2, "0");
  if (layout === "unix") return String(Math.floor(now / 1_000));
  if (layout === "") return `${time.toISOString().slice(0, 19)}Z`;
  const day = dayNames[time.getUTCDay()] ?? "";
  const month = monthNames[time.getUTCMonth()] ?? "";
  const hours = time.getUTCHours();
  const written: Readonly<Record<string, string>> = {
    "2006": String(time.getUTCFullYear()),
    "06": two(time.getUTCFullYear() % 100),
    January: month,
    Jan: month.slice(0, 3),
    "01": two(time.getUTCMonth() + 1),
    Monday: day,
    Mon: day.slice(0, 3),
    "02": two(time.getUTCDate()),
    "15": two(hours),
    "03": two(hours % 12 || 12),
    "04": two(time.getUTCMinutes()),
    "05": two(time.getUTCSeconds()),
    PM: hours < 12 ? "AM" : "PM",
    pm: hours < 12 ? "am" : "pm",
    MST: "UTC",
    "Z07:00": "Z",
    "-0700": "+0000",
    "-07:00": "+00:00",
  };
  return layout.replaceAll(parts, (part) => written[part] ?? part);
}

/** @throws TemplateError for verbs that are unknown or lack their value */
export function printf(format: string, values: readonly GoValue[]): string {
  return goFormat(format, ...values.map(plain));
}

/** A value that a verb can format. Lists, maps and nil become the text that Go prints for them. */
function plain(value: GoValue): Value {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (isList(value) || isMap(value) || value === null) return goText(value);
  return value;
}
