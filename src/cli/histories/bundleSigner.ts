/** Who has signed a bundle, for a reader who knows no key. */
import { readFileSync, statSync } from "node:fs";
import type { DriverError } from "../../base/errors.ts";
import { signerOf } from "../../history/replay/bundle/signature.ts";

/** What a bundle says of who has signed it; nothing for a log. */
export function unknownSigner(path: string): {
  readonly signature?: DriverError;
  readonly signer?: string;
} {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return {};
  const signer = signerOf(readFileSync(path));
  if (signer === undefined) return {};
  return typeof signer === "string" ? { signer } : { signature: signer };
}
