/** The host's databases of users and groups: the files in /etc, and whatever else nsswitch.conf(5) names. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { DriverError, errnoOf, messageOf } from "../../errors.ts";

export type Database = "passwd" | "group";

/** Read at every start, because users come and go. A host may lack the file and keep its users elsewhere. */
export function readDatabase(database: Database | "subuid" | "subgid" | "nsswitch.conf"): string {
  try {
    return readFileSync(`/etc/${database}`, "utf8");
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return "";
    throw DriverError.from(thrown, "USER_UNKNOWN", "the host's users cannot be read");
  }
}

/**
 * Asks `getent`, which queries all of the host's name services.
 * @returns the entry in the text form of the database; empty if there is none
 * @throws DriverError `USER_UNKNOWN`, recoverable, if they do not answer
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
