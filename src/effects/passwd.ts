/** The user database's text format, passwd(5): `/etc/passwd` and what `getent passwd` prints. Pure. */

export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** The largest id that stands for a user: 2^32 - 1 means "leave it as it is" to the kernel. */
export const largestId = 2 ** 32 - 2;

export function entryOfName(passwd: string, name: string): PasswdEntry | undefined {
  return entryWhere(passwd, (entry) => entry.name === name);
}

export function entryOfUid(passwd: string, uid: number): PasswdEntry | undefined {
  return entryWhere(passwd, (entry) => entry.uid === uid);
}

/** A canonical decimal id: no sign, no leading zero, nothing that the kernel would take for another one. */
export function parseId(text: string): number | undefined {
  const id = /^(0|[1-9]\d{0,9})$/.test(text) ? Number(text) : undefined;
  return id !== undefined && id <= largestId ? id : undefined;
}

/** The first entry that fits, as the C library has it. Lines of another form are no entries. */
function entryWhere(passwd: string, fits: (entry: PasswdEntry) => boolean): PasswdEntry | undefined {
  for (const line of passwd.split("\n")) {
    const entry = parseLine(line);
    if (entry !== undefined && fits(entry)) return entry;
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
