/** The same sources give the same executable in any folder. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";

const root = join(import.meta.dirname, "../../..");
/** The files that a build reads. */
const sources = ["src", "scripts", "node_modules", "package.json", "dist/inspector"];
const build = `
  const { buildExecutable } = await import("./scripts/executable/buildExecutable.ts");
  const { targetOf } = await import("./scripts/executable/targets.ts");
  const here = process.cwd();
  await buildExecutable(targetOf(process.arch), here + "/dist/inspector", here + "/executable");`;

it("the executable is the same, byte by byte, when it is built in another folder", () => {
  const folder = copyOfSources();
  execFileSync(process.execPath, ["--input-type=module", "-e", build], { cwd: folder, stdio: "pipe" });
  expect(digestOf(join(folder, "executable"))).toBe(digestOf(builtEntry));
}, 120_000);

/**
 * Copies the sources within the checkout's file system, where hard links make the copy of hundreds of
 * megabytes cheap.
 */
function copyOfSources(): string {
  const above = mkdtempSync(join(root, "dist/.same-bytes-"));
  onTestFinished(() => rmSync(above, { recursive: true }));
  const folder = join(above, "another folder, with a longer name");
  for (const source of sources) {
    mkdirSync(join(folder, source, ".."), { recursive: true });
    execFileSync("cp", ["-al", join(root, source), join(folder, source)]);
  }
  return folder;
}

function digestOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
