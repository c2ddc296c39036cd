/**
 * A digest of a task's environment. It shows whether two starts had the same environment, although no value
 * is stored.
 *
 * Values are often short (a port, a flag, a weak password), so anyone with an exported history could find
 * them by hashing guesses. Therefore the digest is keyed (HMAC-SHA-256) with a random key that never leaves
 * this node. There is one digest for the whole environment, because a digest per value would reveal which
 * variables of which tasks are equal.
 */
import { createHmac, randomBytes } from "node:crypto";
import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { DriverError, errnoOf } from "../../base/errors.ts";

/**
 * Creates the key if there is none yet, and caches it, so that no start needs disk space for the key.
 * @param stateFolder root-only folder that holds the key
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function ensureKey(stateFolder: string): void {
  keyOf(stateFolder);
}

/**
 * @param stateFolder root-only folder that holds the key; the key is created if it is missing
 * @returns 64 hex digits, which do not depend on the order of the variables
 * @throws DriverError `STATE_DIR_UNUSABLE`
 */
export function envDigest(env: Readonly<Record<string, string>>, stateFolder: string): string {
  const names = Object.keys(env).sort();
  const canonical = JSON.stringify(names.map((name) => [name, env[name]]));
  return keyedDigest(canonical, stateFolder);
}

/** The digest of any data under the same key. The parameter and errors are those of {@link envDigest}. */
export function keyedDigest(data: string | Uint8Array, stateFolder: string): string {
  return createHmac("sha256", keyOf(stateFolder)).update(data).digest("hex");
}

const keyBytes = 32;
const keys = new Map<string, Buffer>();

/** Reads the key only once per process, because an existing key never changes. */
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

/** Creates the key atomically, and never replaces one: `link` fails if the name exists. */
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
  return DriverError.from(
    thrown,
    "STATE_DIR_UNUSABLE",
    "the key for digests of environments cannot be read or stored",
  );
}
