import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { envDigest } from "../../../src/effects/command/envDigest.ts";
import { errorOf } from "../../support/errors.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

describe("digest of an environment", () => {
  it("is the same for the same variables in any order, and differs for other variables", () => {
    const folder = temporaryFolder();
    const env = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });
    fc.assert(
      fc.property(env, env, (one, other) => {
        const reversed = Object.fromEntries(Object.entries(one).toReversed());
        expect(envDigest(reversed, folder)).toBe(envDigest(one, folder));
        const alike =
          JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());
        expect(envDigest(one, folder) === envDigest(other, folder)).toBe(alike);
      }),
      {
        examples: [
          [{ a: "b" }, { ab: "" }],
          [
            { a: "1", b: "2" },
            { a: "2", b: "1" },
          ],
        ],
      },
    );
  });

  it("is 64 hex digits that differ from node to node, so that guesses cannot be tried elsewhere", () => {
    const [one, other] = [temporaryFolder(), temporaryFolder()];
    expect(envDigest({ PIN: "1234" }, one)).toMatch(/^[0-9a-f]{64}$/);
    expect(envDigest({ PIN: "1234" }, one)).not.toBe(envDigest({ PIN: "1234" }, other));
  });

  it("stores its key for root alone, and uses an existing one", () => {
    const folder = temporaryFolder();
    envDigest({}, folder);
    const path = `${folder}/env-digest.key`;
    expect(readdirSync(folder)).toEqual(["env-digest.key"]);
    expect(statSync(path)).toMatchObject({ size: 32, mode: 0o100600 });
    const copy = temporaryFolder();
    writeFileSync(`${copy}/env-digest.key`, readFileSync(path));
    expect(envDigest({ A: "1" }, copy)).toBe(envDigest({ A: "1" }, folder));
    expect(readFileSync(`${copy}/env-digest.key`)).toEqual(readFileSync(path));
  });

  it("refuses a damaged key, because its digests could not be compared", () => {
    const folder = temporaryFolder();
    writeFileSync(`${folder}/env-digest.key`, "short");
    expect(errorOf(() => envDigest({}, folder))).toMatchObject({
      code: "STATE_DIR_UNUSABLE",
      hint: expect.stringContaining("Remove it"),
    });
  });

  it("reports a missing folder for the key", () => {
    const error = errorOf(() => envDigest({ TOKEN: "s3cret" }, "/nonexistent"));
    expect(error).toMatchObject({ code: "STATE_DIR_UNUSABLE", failed: { errno: "ENOENT" } });
    expect(error.message).not.toContain("s3cret");
  });
});
