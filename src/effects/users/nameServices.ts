/**
 * Queries the host's databases of users and groups: the files in /etc, and other services that
 * nsswitch.conf(5) names.
 */
import { execFile } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync, type Stats, statSync } from "node:fs";
import { promisify } from "node:util";
import { DriverError, errnoOf, messageOf } from "../../base/errors.ts";

export type Database = "passwd" | "group";

type DatabaseFile = Database | "subuid" | "subgid" | "nsswitch.conf";

/**
 * Returns the text of a database's file; empty if there is no such file, as on a host that keeps its users
 * elsewhere. Each call checks whether the file has changed, and reads it again if so.
 * @throws DriverError `USER_UNKNOWN`
 */
export function readDatabase(database: DatabaseFile): string {
  const path = `/etc/${database}`;
  try {
    const known = knownFiles.get(database);
    if (known?.version === versionOf(statSync(path))) return known.text;
    const file = readVersion(path);
    knownFiles.set(database, file);
    return file.text;
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return "";
    throw DriverError.from(thrown, "USER_UNKNOWN", "the host's users cannot be read");
  }
}

interface KnownFile {
  readonly version: string;
  readonly text: string;
}

const knownFiles = new Map<DatabaseFile, KnownFile>();

/**
 * Reads the version before the text. If the file changes in between, the version is outdated, and the next
 * call reads the file again.
 */
function readVersion(path: string): KnownFile {
  const file = openSync(path, "r");
  try {
    const version = versionOf(fstatSync(file));
    return { version, text: readFileSync(file, "utf8") };
  } finally {
    closeSync(file);
  }
}

/**
 * Identifies a version of a file by several fields: most programs replace these files, but editors may write
 * to the existing one.
 */
function versionOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
}

/**
 * Asks `getent`, which queries all of the host's name services.
 * @returns the entry in the text form of the database; empty if there is none
 * @throws DriverError `USER_UNKNOWN`, recoverable, if the services do not answer
 */
export async function askNameServices(database: Database, name: string): Promise<string> {
  const env = { PATH: process.env.PATH ?? "/usr/bin:/bin" };
  try {
    const options = { env, timeout: timeoutMs, killSignal: "SIGKILL" } as const;
    const { stdout } = await run("getent", [database, name], options);
    return stdout;
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === notFoundStatus) return "";
    const kind = database === "passwd" ? "user" : "group";
    throw new DriverError("USER_UNKNOWN", `${kind} ${JSON.stringify(name)} could not be looked up`, {
      failed: { call: `getent ${database}`, path: name },
      hint: `The host's name services did not answer: ${messageOf(thrown)}`,
      recoverable: true,
      cause: thrown,
    });
  }
}

/** Whether the databases can hold the name. Excludes options of `getent` and the NIS marks `+` and `-`. */
export function isAccountName(name: string): boolean {
  return /^[^\s:/+-][^\s:/]*$/.test(name) && !name.includes("\0");
}

const run = promisify(execFile);

/** A directory server that does not answer must not block a start for ever. */
const timeoutMs = 5_000;

/** getent(1): "one or more supplied key could not be found in the database". */
const notFoundStatus = 2;
