/**
 * Signatures of bundles. The hashes of events prove that a history is whole, not who wrote it: whoever may
 * write the log can write another one with hashes that fit. A signature is the bundle's last line, and covers
 * every byte before it, also masked data and samples, which the hashes of the log do not cover.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type Hash,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { DriverError } from "../../../base/errors.ts";
import { signatureIn, signatureLine } from "./bundleFormat.ts";

/** Computes the signature of a bundle from its lines, one by one. */
export class BundleSigner {
  readonly #key: KeyObject;
  readonly #hash: Hash = createHash("sha256");

  /** @throws DriverError `KEY_INVALID` if the file is no private Ed25519 key in PEM */
  constructor(path: string) {
    this.#key = readKey(path, "private");
  }

  /** @param line without its newline */
  add(line: string): void {
    this.#hash.update(`${line}\n`);
  }

  /** The line to write after all others. */
  end(): string {
    return signatureLine(sign(null, message(this.#hash), this.#key).toString("base64"));
  }
}

/**
 * Why a bundle is not what the owner of a key has signed: `SIGNATURE_MISSING` or `SIGNATURE_INVALID`; undefined if
 * it is.
 * @param bytes the whole file
 * @param path of the public Ed25519 key, in PEM
 * @throws DriverError `KEY_INVALID`
 */
export function signatureProblem(bytes: Buffer, path: string): DriverError | undefined {
  const key = readKey(path, "public");
  const begin = bytes.lastIndexOf("\n", bytes.length - 2) + 1;
  const signature = signatureIn(bytes.toString("utf8", begin).trimEnd());
  if (signature === undefined) {
    return new DriverError("SIGNATURE_MISSING", "the bundle is not signed", {
      hint: "Ask for one that export --sign made",
    });
  }
  const hash = createHash("sha256").update(bytes.subarray(0, begin));
  if (verify(null, message(hash), key, Buffer.from(signature, "base64"))) return undefined;
  const summary =
    "the bundle's signature does not fit: it was made with another key, or the bundle was changed afterwards";
  return new DriverError("SIGNATURE_INVALID", summary, {
    hint: "Compare the key with its owner's, and get the bundle again",
  });
}

/** What is signed. The first words keep a signature from fitting anything but a bundle. */
function message(hash: Hash): Buffer {
  return Buffer.from(`nomad-driver-exec2 bundle ${hash.digest("hex")}\n`);
}

function readKey(path: string, kind: "private" | "public"): KeyObject {
  const hint = `Make one with openssl: genpkey -algorithm ed25519 for the private key, pkey -pubout for the public one`;
  let key: KeyObject;
  try {
    const text = readFileSync(path);
    key = kind === "private" ? createPrivateKey(text) : createPublicKey(text);
  } catch (thrown) {
    throw DriverError.from(thrown, "KEY_INVALID", `${path} is no ${kind} key in PEM`, { hint });
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new DriverError("KEY_INVALID", `${path} is a key of another kind than Ed25519`, { hint });
}
