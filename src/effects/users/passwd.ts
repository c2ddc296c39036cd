/**
 * Parses passwd(5), group(5), subuid(5) and nsswitch.conf(5), from the files in /etc or from `getent`. Pure.
 */
import { parseId } from "./idRanges.ts";

export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export function entryOfName(passwd: string, name: string): PasswdEntry | undefined {
  return findEntry(passwd, (entry) => entry.name === name);
}

export function entryOfUid(passwd: string, uid: number): PasswdEntry | undefined {
  // For most tasks, no user has the uid, and this quick check is enough.
  if (!passwd.includes(`:${uid}:`)) return undefined;
  return findEntry(passwd, (entry) => entry.uid === uid);
}

/** The gid of the first group with that name; a line is `name:password:gid:members`. */
export function gidOfName(groups: string, name: string): number | undefined {
  for (const line of groups.split("\n")) {
    const [found, , gid, members, ...more] = line.split(":");
    if (found === name && members !== undefined && more.length === 0) return parseId(gid ?? "");
  }
  return undefined;
}

/** The name of the first group with that gid. */
export function nameOfGid(groups: string, gid: number): string | undefined {
  if (!groups.includes(`:${gid}:`)) return undefined;
  for (const line of groups.split("\n")) {
    const [name, , found, members, ...more] = line.split(":");
    if (found === String(gid) && members !== undefined && more.length === 0) return name;
  }
  return undefined;
}

/** Whether an id is in a range of subuid(5) or subgid(5): `owner:first:count`. */
export function isSubordinate(id: number, ranges: string): boolean {
  return ranges.split("\n").some((line) => {
    const [, first, count] = line.split(":");
    const offset = id - (parseId(first ?? "") ?? Number.POSITIVE_INFINITY);
    return offset >= 0 && offset < Number(count);
  });
}

/** The services that nsswitch.conf(5) lists for a database, such as `passwd: files [NOTFOUND=return] sss`. */
export function servicesOf(nsswitch: string, database: string): string[] {
  const lines = nsswitch.split("\n").map((line) => line.replace(/#.*/, "").trim());
  const line = lines.find((each) => each.startsWith(`${database}:`)) ?? "";
  return line
    .slice(database.length + 1)
    .replace(/\[[^\]]*\]/g, " ")
    .split(/\s+/)
    .filter(Boolean);
}

/** The first match wins, as in the C library. Skips malformed lines. */
function findEntry(passwd: string, matches: (entry: PasswdEntry) => boolean): PasswdEntry | undefined {
  for (const line of passwd.split("\n")) {
    const entry = parseLine(line);
    if (entry !== undefined && matches(entry)) return entry;
  }
  return undefined;
}

function parseLine(line: string): PasswdEntry | undefined {
  const [name, , uidText, gidText, , home, shell, ...more] = line.split(":");
  if (name === undefined || home === undefined || shell === undefined || more.length > 0) return undefined;
  const uid = parseId(uidText ?? "");
  const gid = parseId(gidText ?? "");
  return name === "" || uid === undefined || gid === undefined ? undefined : { name, uid, gid, home };
}
