/**
 * A digest of a task's environment: tells whether two starts had the same one,
 * without the log holding a value.
 *
 * Values are often short (a port, a flag, a weak password): whoever gets hold of
 * an exported history could find them by hashing guesses. So the digest is
 * keyed (HMAC-SHA-256) with a random key that never leaves this node. And it is
 * one for the whole, since a digest for each value would tell which variables,
 * of which tasks, are alike.
 */
import { createHmac, randomBytes } from "node:crypto";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { DriverError, errnoOf } from "../../errors.ts";

/**
 * Makes the key where there is none yet, and reads it: a start needs no room on the disk for it, then.
 * @param stateFolder root-only folder that holds the key
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function keepKey(stateFolder: string): void {
  keyOf(stateFolder);
}

/**
 * @param stateFolder root-only folder that holds the key; made where it is missing
 * @returns 64 hex digits; the order of the variables does not matter
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function envDigest(env: Readonly<Record<string, string>>, stateFolder: string): string {
  const key = keyOf(stateFolder);
  const names = Object.keys(env).sort();
  const canonical = JSON.stringify(names.map((name) => [name, env[name]]));
  return createHmac("sha256", key).update(canonical).digest("hex");
}

const keyBytes = 32;
const keys = new Map<string, Buffer>();

/** Read once a process: the key does not change while there is one. */
function keyOf(stateFolder: string): Buffer {
  const path = `${stateFolder}/env-digest.key`;
  const key = keys.get(path) ?? readKey(path) ?? makeKey(path);
  keys.set(path, key);
  return key;
}

function readKey(path: string): Buffer | undefined {
  try {
    const key = readFileSync(path);
    if (key.length === keyBytes) return key;
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return undefined;
    throw unusable(thrown);
  }
  throw new DriverError("STATE_DIR_UNUSABLE", `${path} is damaged: it does not hold ${keyBytes} bytes`, {
    hint: "Remove it: environments of earlier starts can then no longer be compared with later ones",
  });
}

/** Whole or not at all, and never over one that is there: `link` fails where the name exists. */
function makeKey(path: string): Buffer {
  const key = randomBytes(keyBytes);
  const draft = `${path}.${process.pid}`;
  try {
    writeFileSync(draft, key, { mode: 0o600 });
    linkSync(draft, path);
    return key;
  } catch (thrown) {
    const other = errnoOf(thrown) === "EEXIST" ? readKey(path) : undefined;
    if (other === undefined) throw unusable(thrown);
    return other;
  } finally {
    rmSync(draft, { force: true });
  }
}

function unusable(thrown: unknown): DriverError {
  return DriverError.from(thrown, "STATE_DIR_UNUSABLE", "the key for digests of environments cannot be kept");
}
