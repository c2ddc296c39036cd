/** package.json names what is in the repository, and npm packs what it names. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const root = join(import.meta.dirname, "../../..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const files: readonly string[] = manifest.files;
/** The build makes them. */
const isBuilt = (path: string) => path.startsWith("dist/");

it("its files and folders are in the repository", () => {
  const named = [...files, ...Object.values<string>(manifest.directories)];
  const missing = named.filter((path) => !isBuilt(path) && !existsSync(join(root, path)));
  expect(missing).toEqual([]);
  expect(new Set(manifest.keywords).size).toBe(manifest.keywords.length);
});

it("what it exports and starts is among its files", () => {
  const exported = Object.values<string | { types: string; default: string }>(manifest.exports);
  const targets = exported.flatMap((each) => (typeof each === "string" ? each : [each.types, each.default]));
  const all = [...targets, ...Object.values<string>(manifest.bin)].map((path) => path.replace(/^\.\//, ""));
  expect(all.length).toBeGreaterThan(5);
  const outside = all.filter(
    (path) => path !== "package.json" && !files.some((file) => path === file || path.startsWith(`${file}/`)),
  );
  expect(outside).toEqual([]);
  for (const path of all.filter((each) => !isBuilt(each)))
    expect(globSync(path, { cwd: root }).length, path).toBeGreaterThan(0);
});

it("npm packs these files and no others", (context) => {
  requireTools(context, "npm");
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  // Without what is built: npm would compress an executable of more than a hundred megabytes.
  const cwd = temporaryFolder();
  const left = new Set(["dist", "node_modules", ".git"].map((name) => join(root, name)));
  cpSync(root, cwd, { recursive: true, filter: (path) => !left.has(path) });
  const printed = execFileSync("npm", args, { cwd, encoding: "utf8", maxBuffer: 1 << 26 });
  const [pack] = Object.values<{ files: { path: string }[] }>(JSON.parse(printed));
  const packed = pack?.files.map(({ path }) => path) ?? [];
  for (const path of ["README.md", "LICENSE", "CHANGELOG.md", "docs/schemas/task.schema.json"])
    expect(packed).toContain(path);
  const own = (path: string) => /^(?:package\.json|README\.md|LICENSE)$/.test(path);
  expect(
    packed.filter(
      (path) => !own(path) && !files.some((file) => path === file || path.startsWith(`${file}/`)),
    ),
  ).toEqual([]);
  expect(
    packed.filter((path) => /(?:^|\/)(?:test|node_modules|\.env)(?:\/|$)|\.(?:key|pem|sig)$/.test(path)),
  ).toEqual([]);
});
