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
import { type BundleSignature, signatureIn, signatureLine } from "./bundleFormat.ts";

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
    return signatureLine({
      signature: sign(null, message(this.#hash), this.#key).toString("base64"),
      key: publicBytes(createPublicKey(this.#key)).toString("base64"),
    });
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
  const { signed, line } = partsOf(bytes);
  if (line === undefined) {
    return new DriverError("SIGNATURE_MISSING", "the bundle is not signed", {
      hint: "Ask for one that export --sign made",
    });
  }
  const isNamed = line.key === publicBytes(key).toString("base64");
  if (isNamed && fits(signed, line, key)) return undefined;
  const summary =
    "the bundle's signature does not fit: it was made with another key, or the bundle was changed afterwards";
  return new DriverError("SIGNATURE_INVALID", summary, {
    hint: "Compare the key with its owner's, and get the bundle again",
  });
}

/**
 * Who has signed a bundle, as far as the bundle itself can tell: the fingerprint of the key that it names. Anybody can
 * sign with a key of their own, so this is no proof of where the bundle comes from.
 * @param bytes the whole file
 * @returns undefined if it is not signed; a `SIGNATURE_INVALID` if it was changed after it was signed
 */
export function signerOf(bytes: Buffer): string | DriverError | undefined {
  const { signed, line } = partsOf(bytes);
  if (line === undefined) return undefined;
  const raw = Buffer.from(line.key, "base64");
  const jwk = { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") };
  if (fits(signed, line, createPublicKey({ key: jwk, format: "jwk" }))) return fingerprintOf(raw);
  return new DriverError("SIGNATURE_INVALID", "the bundle was changed after it was signed", {
    hint: "Get the bundle again",
  });
}

/** The first half of the key's SHA-256, in hex. */
function fingerprintOf(key: Uint8Array): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 32);
}

function publicBytes(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url");
}

/** What of a bundle's bytes is signed, and its last line, if that is a signature. */
function partsOf(bytes: Buffer): { readonly signed: Buffer; readonly line: BundleSignature | undefined } {
  const begin = bytes.lastIndexOf("\n", bytes.length - 2) + 1;
  return { signed: bytes.subarray(0, begin), line: signatureIn(bytes.toString("utf8", begin).trimEnd()) };
}

function fits(signed: Buffer, { signature }: BundleSignature, key: KeyObject): boolean {
  return verify(null, message(createHash("sha256").update(signed)), key, Buffer.from(signature, "base64"));
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
