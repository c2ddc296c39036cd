/** Parses passwd(5) and group(5) text, from the files in /etc or from `getent`. Pure. */
import { parseId } from "../../config/task/idRanges.ts";

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

/** The first match wins, as in the C library. Skips lines of another form. */
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
