/**
 * Bundles the driver's sources into some fifty files, which Node loads in a third of the time that the sources
 * take. The bundle is made anew whenever a source has changed.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../..");
/**
 * In node_modules, because the bundle imports packages from there. Every bundle is three folders below the
 * checkout, as the sources are that look for files of dist.
 */
const cache = join(root, "node_modules/.cache");
const prefix = "program-";

/** Packages that look for their own files, such as native addons. */
const external = ["lmdb", "koffi", "@cdktn/hcl2json"];

/** Bundles that nothing has used for so long are removed. In ms. */
const unusedAfter = 3_600_000;

/** Called by vitest before the tests of each project. Tests find the bundle in pluginEntry.ts. */
export default async function setup(): Promise<void> {
  const folder = join(cache, `${prefix}${sourcesDigest()}`);
  if (!existsSync(folder)) await bundle(folder);
  utimesSync(folder, new Date(), new Date());
  process.env.TEST_PROGRAM = join(folder, "main.js");
}

async function bundle(folder: string): Promise<void> {
  mkdirSync(cache, { recursive: true });
  removeUnused();
  const { build } = await import("rolldown");
  const making = mkdtempSync(join(cache, "making-"));
  await build({
    input: { main: join(root, "src/main.ts") },
    platform: "node",
    external,
    checks: { eval: false, ineffectiveDynamicImport: false },
    output: { dir: making, format: "esm", chunkFileNames: "[name]-[hash].js" },
  });
  // Otherwise Node parses each file once more to find out that it is a module.
  writeFileSync(join(making, "package.json"), '{ "type": "module" }');
  try {
    renameSync(making, folder);
  } catch (thrown) {
    rmSync(making, { recursive: true });
    // Another process has made the same bundle meanwhile: rename(2).
    if (!/^(ENOTEMPTY|EEXIST)$/.test(String((thrown as NodeJS.ErrnoException).code))) throw thrown;
  }
}

/** A digest of the times and sizes of all files that a bundle depends on. */
function sourcesDigest(): string {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).map(
    (path) => `src/${path}`,
  );
  const digest = createHash("sha256");
  for (const path of [...sources.sort(), "package-lock.json", "test/support/plugin/bundledProgram.ts"]) {
    const { mtimeMs, size } = statSync(join(root, path));
    digest.update(`${path} ${mtimeMs} ${size}\n`);
  }
  return digest.digest("hex").slice(0, 16);
}

function removeUnused(): void {
  for (const name of readdirSync(cache).filter((name) => name.startsWith(prefix))) {
    const folder = join(cache, name);
    if (Date.now() - statSync(folder).mtimeMs > unusedAfter) rmSync(folder, { recursive: true, force: true });
  }
}
