/**
 * Makes dist/release: a Debian package, one for RPM and an archive for each architecture, the bill of materials with
 * what is known of vulnerabilities in it (VEX), the provenance, and the checksums of all of them. The same sources give the same bytes. `RELEASE_KEY`, the path
 * of an SSH key, signs the checksums. Installs nothing on this machine.
 *
 * `node scripts/release.ts [--deb] [--quick] [x64] [arm64]`: `--deb` makes only the Debian packages.
 * `--quick` compresses as little as possible, for tests. By default, both architectures are built.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../src/base/version.ts";
import type { Architecture } from "../src/effects/kernel/systemCalls.ts";
import { buildExecutable } from "./executable/buildExecutable.ts";
import { targetOf } from "./executable/targets.ts";
import { missingFrom, releasePackages } from "./hostPackages.mjs";
import { buildInspectorPage } from "./inspectorPage.ts";
import { licences } from "./release/content.ts";
import { buildArchive, buildDeb, buildRpm } from "./release/packages.ts";
import { billOfMaterials, checksumsOf, exploitability, provenance, sign } from "./release/statements.ts";

const root = join(import.meta.dirname, "..");
const folder = join(root, "dist/release");
const args = process.argv.slice(2);
const onlyDeb = args.includes("--deb");
/** Debian's names of the architectures. */
const debianNames = { x64: "amd64", arm64: "arm64" } as const;
const all: readonly Architecture[] = ["x64", "arm64"];
const chosen = all.filter((arch) => args.includes(arch));
const architectures = chosen.length > 0 ? chosen : all;
/** Path of the SSH key that signs the checksums. With a public key, ssh-agent(1) has the private one. */
const key = process.env.RELEASE_KEY;
const date = Number(process.env.SOURCE_DATE_EPOCH ?? git("log", "-1", "--format=%ct") ?? 0);

requireTools();
// Without this call, the modes in the release would depend on the user's umask.
process.umask(0o022);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const page = join(folder, "inspector");
await buildInspectorPage(page);
const files: string[] = [];
for (const arch of architectures) {
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
  if (!onlyDeb) files.push(buildRpm(input, folder), buildArchive(input, folder));
}
if (!onlyDeb) {
  const bill = billOfMaterials(date);
  const known = JSON.parse(readFileSync(join(root, "packaging/vulnerabilities.json"), "utf8"));
  const bom = join(folder, `nomad-driver-exec2-${version}.cdx.json`);
  const vex = join(folder, `nomad-driver-exec2-${version}.vex.cdx.json`);
  writeFileSync(bom, bill);
  writeFileSync(vex, exploitability(bill, known));
  files.push(bom, vex);
  const statement = join(folder, "provenance.json");
  writeFileSync(statement, provenance(files, git("rev-parse", "HEAD")));
  files.push(statement);
}
rmSync(page, { recursive: true });
const checksums = join(folder, "SHA256SUMS");
writeFileSync(checksums, checksumsOf(files));
if (key) sign(checksums, key);

/** Ends the process before the build if a tool or the key is missing. */
function requireTools(): void {
  const packages = {
    ...releasePackages(architectures, { rpm: !onlyDeb }),
    ...(key && { "ssh-keygen": "openssh-client" }),
  };
  const { needed, names } = missingFrom(packages);
  if (key && !existsSync(key)) fail(`the key ${key} (RELEASE_KEY) does not exist`);
  if (names.length > 0) {
    fail(`this machine lacks ${needed.join(", ")}. On Debian: apt-get install ${names.join(" ")}`);
  }
}

function fail(message: string): never {
  console.error(`[release] ${message}`);
  process.exit(1);
}

function git(...command: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", command, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}
