/** The runner's bytes are what its listing says. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runnerX86 } from "../../../src/effects/launch/runnerX86.ts";
import { KEPT_BYTES, TABLE_ADDRESS, TABLE_BYTES } from "../../../src/effects/launch/table.ts";
import { requireTools } from "../../support/requireTools.ts";

const listing = new URL("../../../src/effects/launch/runnerX86.s", import.meta.url).pathname;

it("assembles to the executable, byte for byte", (context) => {
  requireTools(context, "as", "objcopy");
  const folder = mkdtempSync(join(tmpdir(), "runner-"));
  try {
    execFileSync("as", ["--64", "-o", join(folder, "object"), listing]);
    execFileSync("objcopy", ["-O", "binary", "-j", ".text", join(folder, "object"), join(folder, "runner")]);
    expect(runnerX86).toBe(readFileSync(join(folder, "runner"), "base64"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("has the same layout in the listing as in the table", () => {
  const text = readFileSync(listing, "utf8");
  const constants = Object.fromEntries(
    [...text.matchAll(/\.set\s+(\w+), (\w+)/g)].map((match) => [match[1], Number(match[2])]),
  );
  expect(constants).toMatchObject({ TABLE_ADDRESS, TABLE_BYTES, KEPT_BYTES });
});
