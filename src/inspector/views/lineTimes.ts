/**
 * Says when lines of a log were written. The sources are:
 *
 * - `noted`: the driver's logger noted it (src/effects/logs/logTimes.ts);
 * - `seen`: the inspector read the line when it arrived;
 * - `own`: the line contains a time that is possible for its file;
 * - `file`: the line was written between the last write to the previous file and the last write to its own
 * file.
 *
 * Lines are in the order in which they were written, so a line with a time bounds the times of the lines
 * around it. Pure.
 */

/** A place in a log. */
export interface LogPosition {
  /** Number of the file. */
  readonly index: number;
  /** Bytes from the file's beginning. */
  readonly offset: number;
}

export interface RawLine extends LogPosition {
  readonly text: string;
}

/** Times are milliseconds since the epoch. */
export interface LogLine extends RawLine {
  readonly source: "noted" | "seen" | "own" | "file";
  /** The line was not written before this time; null if unknown. */
  readonly after: number | null;
  /** The line was not written after this time. */
  readonly before: number;
}

/** A file of the log, and the time of the last write to it. */
export interface LogFileTime {
  readonly index: number;
  readonly changedAt: number;
}

/**
 * @param files all files of the log, oldest first
 * @param zoneMinutes offset of the host's time zone from UTC, for times without a zone
 * @param noted the logger's time of a line; undefined if it noted none
 */
export function placeLines(
  lines: readonly RawLine[],
  files: readonly LogFileTime[],
  zoneMinutes: number,
  noted: (line: LogPosition) => { readonly from: number; readonly until: number } | undefined = () =>
    undefined,
): LogLine[] {
  const placed = lines.map((line): LogLine => {
    const note = noted(line);
    if (note !== undefined && note.from > 0 && note.until - note.from <= notedMs)
      return { ...line, source: "noted", after: note.from, before: note.until };
    const place = files.findIndex(({ index }) => index === line.index);
    const changedAt = files[place]?.changedAt ?? files.at(-1)?.changedAt ?? 0;
    const before = Math.min(changedAt, note?.until ?? changedAt);
    const after = note?.from || (files[place - 1]?.changedAt ?? null);
    const own = ownTime(line.text, { after, before }, zoneMinutes);
    return own === undefined
      ? { ...line, source: "file", after, before }
      : { ...line, source: "own", after: own, before: own };
  });
  return bounded(placed);
}

/** A note that leaves more room than this only bounds the line's own time. */
const notedMs = 1_000;

/** A line that was read when it arrived. @param seenAt time of its arrival */
export function seenLine(line: RawLine, seenAt: number): LogLine {
  return { ...line, source: "seen", after: seenAt, before: seenAt };
}

/** Bounds the times of `file` lines by those of the lines around them. */
function bounded(lines: readonly LogLine[]): LogLine[] {
  const latest: (number | null)[] = [];
  for (const { source, after } of lines) {
    const last = latest.at(-1) ?? null;
    latest.push(source === "file" || after === null ? (last ?? after) : Math.max(last ?? after, after));
  }
  const result: LogLine[] = [];
  let next = Number.POSITIVE_INFINITY;
  for (let at = lines.length - 1; at >= 0; at--) {
    const line = lines[at] as LogLine;
    if (line.source !== "file") {
      next = Math.min(next, line.before);
      result.push(line);
      continue;
    }
    const after = Math.max(line.after ?? Number.NEGATIVE_INFINITY, latest[at] ?? Number.NEGATIVE_INFINITY);
    const before = Math.min(line.before, next);
    // Threads may have written out of order, so the earlier time is the lower bound, whichever line it is
    // from.
    const [from, to] = after <= before ? [after, before] : [before, after];
    result.push({ ...line, after: Number.isFinite(from) ? from : null, before: to });
  }
  return result.reverse();
}

/** A time in a line may be this much before the file's beginning, because programs buffer their output. */
const slackBeforeMs = 60_000;
/** A time in a line may be this much after the last write, because clocks of file systems are coarse. */
const slackAfterMs = 1_000;
/**
 * Number of characters that are searched for a time: it is at the beginning of a line, or in one of the first
 * JSON fields.
 */
const lookedAt = 240;

/** The time in a line, if it is possible for the file. */
function ownTime(
  text: string,
  { after, before }: { readonly after: number | null; readonly before: number },
  zoneMinutes: number,
): number | undefined {
  const times = timesIn(text.slice(0, lookedAt), zoneMinutes);
  const fitting = times.filter(
    (time) => time <= before + slackAfterMs && (after === null || time >= after - slackBeforeMs),
  );
  const [only, ...others] = new Set(fitting);
  // A time without a zone may be in UTC or in the host's zone. If both are possible, it is ignored.
  return others.length === 0 ? only : undefined;
}

const dateTime =
  /(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d\d:?\d\d)?(?!\d)/;
/** The format of web servers: `[10/Oct/2026:13:55:36 +0200]`. */
const commonLog = /\[(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})\]/;
const epoch = /"(?:ts|time|timestamp|t)":\s?(\d{10}(?:\.\d{1,9})?|\d{13})\b/;
const months = "JanFebMarAprMayJunJulAugSepOctNovDec";

/** The first time in a text. For a time without a zone, both possible values. */
function timesIn(text: string, zoneMinutes: number): number[] {
  const [, seconds] = epoch.exec(text) ?? [];
  if (seconds !== undefined) return [/^\d{13}$/.test(seconds) ? Number(seconds) : Number(seconds) * 1_000];
  const [, day, month = "", year, clock, zone = ""] = commonLog.exec(text) ?? [];
  if (day !== undefined) {
    const number = String(months.indexOf(month) / 3 + 1).padStart(2, "0");
    return valid([Date.parse(`${year}-${number}-${day}T${clock}${colonIn(zone)}`)]);
  }
  const [whole, y, m, d, time, fraction = "0", named] = dateTime.exec(text) ?? [];
  if (whole === undefined) return [];
  const local = `${y}-${m}-${d}T${time}.${fraction.slice(0, 3).padEnd(3, "0")}`;
  if (named !== undefined)
    return valid([Date.parse(`${local}${/^[ZU]/.test(named) ? "Z" : colonIn(named)}`)]);
  const utc = Date.parse(`${local}Z`);
  return valid([utc, utc - zoneMinutes * 60_000]);
}

function colonIn(zone: string): string {
  return zone.includes(":") ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
}

function valid(times: readonly number[]): number[] {
  return times.filter((time) => Number.isFinite(time));
}
