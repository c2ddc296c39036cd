/** What a release says of itself: its parts (CycloneDX) and what it was made of (in-toto, SLSA). */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { version } from "../../src/version.ts";

const root = join(import.meta.dirname, "../..");

/** npm's bill of materials, with the libraries that are linked into Node, and without what differs by the run. */
export function billOfMaterials(date: number): string {
  const args = ["sbom", "--sbom-format", "cyclonedx", "--omit", "dev", "--package-lock-only"];
  const bom = JSON.parse(execFileSync("npm", args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 }));
  const linked = Object.entries(process.versions)
    .filter(([name]) => !["modules", "napi"].includes(name))
    .sort()
    .map(([name, libraryVersion]) => ({
      type: name === "node" ? "platform" : "library",
      name,
      version: libraryVersion,
      "bom-ref": `node:${name}@${libraryVersion}`,
    }));
  bom.components.push(...linked);
  bom.metadata.timestamp = new Date(date * 1000).toISOString();
  const digest = createHash("sha256").update(JSON.stringify(bom.components)).digest("hex");
  const uuid = [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `5${digest.slice(13, 16)}`,
    `8${digest.slice(17, 20)}`,
  ];
  bom.serialNumber = `urn:uuid:${[...uuid, digest.slice(20, 32)].join("-")}`;
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}

/** An in-toto statement with SLSA's predicate: the files, and the sources and packages that they are made of. */
export function provenance(files: readonly string[], commit: string | undefined): string {
  const lock = readFileSync(join(root, "package-lock.json"));
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: files.map((path) => ({ name: basename(path), digest: { sha256: sha256(readFileSync(path)) } })),
    predicateType: "https://slsa.dev/provenance/v1",
    predicate: {
      buildDefinition: {
        buildType: "urn:nomad-driver-exec2:npm-run-release",
        externalParameters: { version },
        internalParameters: { node: process.versions.node },
        resolvedDependencies: [
          ...(commit === undefined ? [] : [{ name: "sources", digest: { gitCommit: commit } }]),
          { name: "package-lock.json", digest: { sha256: sha256(lock) } },
        ],
      },
      runDetails: { builder: { id: "urn:nomad-driver-exec2:scripts/release.ts" } },
    },
  };
  return `${JSON.stringify(statement, undefined, 2)}\n`;
}

/** In the format of sha256sum(1). */
export function checksumsOf(files: readonly string[]): string {
  return files.map((path) => `${sha256(readFileSync(path))}  ${basename(path)}\n`).join("");
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
