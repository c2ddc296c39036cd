/** Rules for third-party packages: no scripts at installation, digests, and licences. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildInspectorPage } from "../../../scripts/inspectorPage.ts";
import { licences, packagesOfThePage } from "../../../scripts/release/content.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const root = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

interface Locked {
  readonly dev?: boolean;
  readonly license?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
}

const { packages }: { packages: Record<string, Locked> } = JSON.parse(read("package-lock.json"));
const others = Object.entries(packages)
  .filter(([path]) => path !== "")
  .map(([path, locked]) => ({ name: path.slice("node_modules/".length), ...locked }));
const shipped = others.filter(({ name, dev }) => dev !== true || packagesOfThePage.includes(name));

describe("an installation", () => {
  it("runs no script of a package", () => {
    expect(read(".npmrc").split("\n")).toContain("ignore-scripts=true");
    // Each of these packages works without its script, because this or another package has the needed file.
    // Check this before you add a package to the list.
    const scripted = others.filter(({ hasInstallScript }) => hasInstallScript === true);
    expect(scripted.map(({ name }) => name).sort()).toEqual([
      "koffi",
      "lmdb",
      "msgpackr-extract",
      "protobufjs",
    ]);
  });

  it("accepts no package without a digest in the lock file", () => {
    expect(others.length).toBeGreaterThan(200);
    expect(others.filter(({ integrity = "" }) => !integrity.startsWith("sha512-"))).toEqual([]);
  });
});

/** A phrase from the text of each of these licences. */
const termsOfUse =
  /permission is hereby granted|permission to use|redistribution and use|terms and conditions|Mozilla Public License, version 2|Blue Oak Model License/i;

/**
 * Licences of packages that may be distributed with the program, with notices only. MPL-2.0 also requires the
 * source of its own files.
 */
const forReleases = [
  "MIT",
  "ISC",
  "0BSD",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "MPL-2.0",
];
/** Tools are not distributed. */
const forTools = [...forReleases, "CC-BY-4.0", "EPL-2.0"];

describe("the licence", () => {
  it.each(shipped)("of $name, which is in a release, allows its distribution", ({ license = "none" }) => {
    expect(choicesOf(license).some((terms) => terms.every((term) => forReleases.includes(term)))).toBe(true);
  });

  it.each(others)("of $name allows its use", ({ license = "none" }) => {
    expect(choicesOf(license).some((terms) => terms.every((term) => forTools.includes(term)))).toBe(true);
  });

  it("is asked of each package in the inspector's pages", async () => {
    expect([...(await buildInspectorPage(temporaryFolder()))].sort()).toEqual(packagesOfThePage);
  });

  it("of each package in a release is in the release's list, with its text", () => {
    const text = licences(join(root, "node_modules"), `node-linux-${process.arch}`);
    const sections = text.split(`${"=".repeat(78)}\n`).slice(1);
    const titles = sections.filter((_, index) => index % 2 === 0);
    const texts = sections.filter((_, index) => index % 2 === 1);
    // Native packages for other systems are not installed.
    const installed = shipped.filter(({ name }) => existsSync(join(root, "node_modules", name)));
    for (const { name } of installed.filter((each) => !each.name.startsWith("node-linux-"))) {
      const index = titles.findIndex((title) => title.startsWith(`${name} `));
      expect(index, name).toBeGreaterThanOrEqual(0);
      expect(texts[index], name).toMatch(termsOfUse);
    }
    expect(titles[0]).toMatch(/^Node\.js /);
    for (const part of ["OpenSSL", "The OpenLDAP Public License", "Copyright 2008 Google Inc."]) {
      expect(text).toContain(part);
    }
  });
});

/**
 * `(A AND B) OR C` as sets of licences, one of which must be allowed as a whole. Parses SPDX expressions as
 * far as packages use them.
 */
function choicesOf(license: string): string[][] {
  return license
    .replaceAll(/[()]/g, "")
    .split(" OR ")
    .map((terms) => terms.split(" AND "));
}
