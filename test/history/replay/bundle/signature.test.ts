/** Bundles with a signature: whole ones are verified, and every changed byte is noticed. */
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bundleLines } from "../../../../src/history/replay/bundle/exportBundle.ts";
import { parseBundle } from "../../../../src/history/replay/bundle/loadBundle.ts";
import { BundleSigner, signatureProblem, signerOf } from "../../../../src/history/replay/bundle/signature.ts";
import { life } from "../../../support/history/history.ts";
import { RecordedLog } from "../../../support/history/recordedLog.ts";
import { temporaryFolder } from "../../../support/host/temporaryFolder.ts";

function keys(type: "ed25519" | "ed448" = "ed25519") {
  const folder = temporaryFolder();
  const { privateKey, publicKey } =
    type === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("ed448");
  const [own, shared] = [join(folder, "key.pem"), join(folder, "public.pem")];
  writeFileSync(own, privateKey.export({ type: "pkcs8", format: "pem" }));
  writeFileSync(shared, publicKey.export({ type: "spki", format: "pem" }));
  return { own, shared };
}

function bundle(mask: boolean): string[] {
  const log = new RecordedLog().add("a/web/1", life("killed"));
  const reader = log.reader();
  return [
    ...bundleLines(
      log.heads.map((head) => ({ head, reader })),
      { mask, now: 1 },
    ),
  ];
}

function signed(lines: readonly string[], key: string): string {
  const signer = new BundleSigner(key);
  for (const line of lines) signer.add(line);
  return `${[...lines, signer.end()].join("\n")}\n`;
}

describe("a signed bundle", () => {
  it.each([true, false])("is verified with the public key, and read like any other (masked: %s)", (mask) => {
    const { own, shared } = keys();
    const lines = bundle(mask);
    const text = signed(lines, own);
    expect(signatureProblem(Buffer.from(text), shared)).toBeUndefined();
    expect(signerOf(Buffer.from(text))).toMatch(/^[0-9a-f]{32}$/);
    expect(signerOf(Buffer.from(text))).toBe(signerOf(Buffer.from(signed(lines.slice(1), own))));
    expect(signerOf(Buffer.from(`${lines.join("\n")}\n`))).toBeUndefined();
    expect(signerOf(Buffer.from(`x${text}`))).toMatchObject({ code: "SIGNATURE_INVALID" });
    expect(parseBundle(text, "b").header).toEqual(parseBundle(`${lines.join("\n")}\n`, "b").header);
  });

  it("is refused if any byte was changed, or if another key made the signature", () => {
    const { own, shared } = keys();
    const bytes = Buffer.from(signed(bundle(true), own));
    expect(signatureProblem(bytes, keys().shared)).toMatchObject({
      code: "SIGNATURE_INVALID",
      message: expect.stringContaining("does not fit"),
    });
    fc.assert(
      fc.property(fc.nat(bytes.length - 2), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ change;
        // Base64 has bits that do not count, so a changed signature may still be the same one.
        const isOfSignature = at > bytes.lastIndexOf("\n", bytes.length - 2);
        const problem = signatureProblem(changed, shared);
        expect(isOfSignature || problem !== undefined).toBe(true);
      }),
    );
  });

  it("is told from one without a signature, or with two", () => {
    const { own, shared } = keys();
    const plain = `${bundle(true).join("\n")}\n`;
    for (const bytes of [Buffer.from(plain), Buffer.alloc(0)])
      expect(signatureProblem(bytes, shared)).toMatchObject({ code: "SIGNATURE_MISSING" });
    const twice = signed(signed(bundle(true), own).trimEnd().split("\n"), own);
    expect(() => parseBundle(twice, "b")).toThrow(expect.objectContaining({ code: "BUNDLE_INVALID" }));
  });

  it("takes keys of no other kind, and no other files", () => {
    const other = keys("ed448");
    const { own, shared } = keys();
    for (const make of [
      () => new BundleSigner(other.own),
      () => new BundleSigner(shared),
      () => new BundleSigner("/nowhere"),
      () => signatureProblem(Buffer.alloc(0), other.shared),
      () => signatureProblem(Buffer.alloc(0), "/nowhere"),
    ]) {
      expect(make).toThrow(expect.objectContaining({ code: "KEY_INVALID" }));
    }
    // A public key can be made from a private one.
    expect(signatureProblem(Buffer.from(signed(bundle(true), own)), own)).toBeUndefined();
  });
});
