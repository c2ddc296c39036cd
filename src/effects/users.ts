/** Whom a task runs as: a dynamic user of the agent's, or a user of the host. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { DriverError, errnoOf, messageOf } from "../errors.ts";
import { entryOfName, entryOfUid, largestId, parseId } from "./passwd.ts";

export interface TaskUser {
  readonly name: string;
  readonly uid: number;
  /** The user's primary group. */
  readonly gid: number;
  readonly home: string;
}

export interface UserRules {
  /** Plugin option `allow_root`: whether tasks may run as uid 0. */
  readonly allowRoot: boolean;
}

/**
 * Looks in `/etc/passwd` and, for a name that is not there, asks the host's
 * name services through `getent`.
 * @throws DriverError `USER_UNKNOWN`, `USER_FORBIDDEN`
 */
export async function resolveUser(user: string, rules: UserRules): Promise<TaskUser> {
  const found = findUser(user, readPasswd(), rules) ?? findUser(user, await askNameServices(user), rules);
  if (found === undefined) throw unknownUser(user);
  return found;
}

/**
 * The user in a text of the user database. Pure.
 * Users go by name, as everywhere in Nomad: digits alone are a name too, and
 * `uid:gid` is none, so that nobody gets to be a uid by guessing its number.
 * @returns undefined where the text has no such name
 */
export function findUser(user: string, passwd: string, { allowRoot }: UserRules): TaskUser | undefined {
  if (user === "") {
    throw new DriverError("USER_UNKNOWN", "the task has no user", {
      hint: "Set `user` in the task, or enable the client's dynamic workload users",
    });
  }
  const number = /^nomad-(\d+)$/.exec(user)?.[1];
  if (number !== undefined) return dynamicUser(user, number, passwd);
  if (!isUserName(user)) throw unknownUser(user);
  const entry = entryOfName(passwd, user);
  if (entry?.uid === 0 && !allowRoot) {
    throw new DriverError("USER_FORBIDDEN", `user ${JSON.stringify(user)} is root (uid 0)`, {
      hint: "Run the task as another user, or set `allow_root` in the plugin's configuration",
    });
  }
  return entry;
}

/** Below are the host's own accounts. */
const leastDynamicUid = 1000;

/** `nomad-<n>`: nobody's uid and gid, lent to the task by the agent. */
function dynamicUser(name: string, number: string, passwd: string): TaskUser {
  const uid = parseId(number);
  if (uid === undefined || uid < leastDynamicUid) {
    throw forbidden(
      name,
      `a dynamic user has a number from ${leastDynamicUid} to ${largestId}, without leading zeros`,
    );
  }
  const owner = entryOfUid(passwd, uid);
  if (owner !== undefined)
    throw forbidden(name, `uid ${uid} belongs to the host's user ${JSON.stringify(owner.name)}`);
  return { name, uid, gid: uid, home: "/nonexistent" };
}

function forbidden(name: string, why: string): DriverError {
  return new DriverError("USER_FORBIDDEN", `dynamic user ${name} is refused: ${why}`, {
    hint: "Choose another range for the client's dynamic workload users, and leave such names out of jobs",
  });
}

/** What passwd(5) can hold as a name and `getent` does not take for an option or for the NIS marks `+` and `-`. */
function isUserName(user: string): boolean {
  return /^[^\s:/+-][^\s:/]*$/.test(user) && !user.includes("\0");
}

function unknownUser(user: string): DriverError {
  return new DriverError("USER_UNKNOWN", `user ${JSON.stringify(user)} is not a user of this host`, {
    hint: "Users are given by name, not by number: check `user` in the task",
  });
}

/** Read at every start, since users come and go. A host may keep all of them elsewhere. */
function readPasswd(): string {
  try {
    return readFileSync("/etc/passwd", "utf8");
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return "";
    throw DriverError.from(thrown, "USER_UNKNOWN", "the host's users cannot be read");
  }
}

const run = promisify(execFile);

/** A directory server that does not answer must not hold a start for ever. */
const nameServiceTimeoutMs = 5_000;

/** The entry as nsswitch.conf(5) has it; empty where there is none. */
async function askNameServices(user: string): Promise<string> {
  const env = { PATH: process.env.PATH ?? "/usr/bin:/bin" };
  try {
    const options = { env, timeout: nameServiceTimeoutMs, killSignal: "SIGKILL" } as const;
    const { stdout } = await run("getent", ["passwd", user], options);
    return stdout;
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === notFoundStatus) return "";
    throw new DriverError("USER_UNKNOWN", `user ${JSON.stringify(user)} could not be looked up`, {
      failed: { call: "getent passwd", path: user },
      hint: `The host's name services did not answer: ${messageOf(thrown)}`,
      recoverable: true,
      cause: thrown,
    });
  }
}

/** getent(1): "one or more supplied key could not be found in the database". */
const notFoundStatus = 2;
