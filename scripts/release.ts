/**
 * Makes dist/release: a Debian package and an archive for each architecture, their checksums, the bill of
 * materials, and the provenance. The same sources give the same bytes.
 *
 * `node scripts/release.ts [--deb] [--quick] [x64] [arm64]`: `--deb` makes only the Debian packages.
 * `--quick` compresses as little as possible, for tests. By default, both architectures are built.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../src/base/version.ts";
import type { Architecture } from "../src/effects/kernel/systemCalls.ts";
import { buildExecutable } from "./executable/buildExecutable.ts";
import { targetOf } from "./executable/targets.ts";
import { buildInspectorPage } from "./inspectorPage.ts";
import { licences } from "./release/content.ts";
import { buildArchive, buildDeb } from "./release/packages.ts";
import { billOfMaterials, checksumsOf, provenance } from "./release/statements.ts";

const root = join(import.meta.dirname, "..");
const folder = join(root, "dist/release");
const args = process.argv.slice(2);
/** Debian's names of the architectures. */
const debianNames = { x64: "amd64", arm64: "arm64" } as const;
const all: readonly Architecture[] = ["x64", "arm64"];
const chosen = all.filter((arch) => args.includes(arch));
const date = Number(process.env.SOURCE_DATE_EPOCH ?? git("log", "-1", "--format=%ct") ?? 0);

// Without this call, the modes in the release would depend on the user's umask.
process.umask(0o022);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const page = join(folder, "inspector");
await buildInspectorPage(page);
const files: string[] = [];
for (const arch of chosen.length > 0 ? chosen : all) {
  const target = targetOf(arch);
  const architecture = debianNames[arch];
  const executable = join(folder, architecture, "nomad-driver-exec2");
  await buildExecutable(target, page, executable);
  const input = {
    architecture,
    executable,
    licences: licences(target.modules, `node-linux-${arch}`),
    date,
    compression: args.includes("--quick") ? 0 : 6,
  };
  files.push(buildDeb(input, folder));
  if (!args.includes("--deb")) files.push(buildArchive(input, folder));
}
if (!args.includes("--deb")) {
  const bom = join(folder, `nomad-driver-exec2-${version}.cdx.json`);
  writeFileSync(bom, billOfMaterials(date));
  files.push(bom);
  writeFileSync(join(folder, "provenance.json"), provenance(files, git("rev-parse", "HEAD")));
}
rmSync(page, { recursive: true });
writeFileSync(join(folder, "SHA256SUMS"), checksumsOf(files));

function git(...command: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", command, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}
