/**
 * Makes a release's statements: its bill of materials (CycloneDX), its provenance (in-toto, SLSA), its checksums
 * and their signature.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { version } from "../../src/base/version.ts";
import { lockedPackages, packagesOfThePage } from "./content.ts";

const root = join(import.meta.dirname, "../..");

interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

/**
 * npm's bill of materials, limited to the executable's parts. It includes the libraries that are linked into
 * Node, and excludes values that differ by run or folder.
 */
export function billOfMaterials(date: number): string {
  // With --omit=dev, npm would also leave out packages that both the driver and a development package need.
  const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const bom = JSON.parse(execFileSync("npm", args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 }));
  const foreign = packagesForOtherSystems();
  const inside: Component[] = bom.components.filter(
    (component: Component) =>
      !foreign.has(component["bom-ref"]) &&
      (!isForDevelopment(component) || packagesOfThePage.includes(component.name)),
  );
  const refs = new Set(inside.map((component) => component["bom-ref"]));
  const own = bom.metadata.component;
  bom.components = [...inside, ...librariesOfNode()];
  bom.dependencies = bom.dependencies
    .filter(({ ref }: { ref: string }) => ref === own["bom-ref"] || refs.has(ref))
    .map(({ ref, dependsOn }: { ref: string; dependsOn: string[] }) => ({
      ref,
      dependsOn: dependsOn.filter((other) => refs.has(other)),
    }));
  bom.metadata.timestamp = new Date(date * 1000).toISOString();
  // npm would name the application after its folder.
  Object.assign(own, { type: "application", name: "nomad-driver-exec2" });
  bom.serialNumber = `urn:uuid:${uuidOf(JSON.stringify(bom.components))}`;
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}

function isForDevelopment({ properties = [] }: Component): boolean {
  return properties.some(({ name, value }) => name === "cdx:npm:package:development" && value === "true");
}

/** The lock file also has packages with native code for other systems. */
function packagesForOtherSystems(): ReadonlySet<string> {
  const others = Object.entries(lockedPackages()).filter(
    ([, { os = ["linux"], cpu = ["x64"] }]) =>
      !os.includes("linux") || !(cpu.includes("x64") || cpu.includes("arm64")),
  );
  return new Set(others.map(([path, each]) => `${path.split("node_modules/").at(-1)}@${each.version}`));
}

function librariesOfNode() {
  return Object.entries(process.versions)
    .filter(([name, version]) => version && !["modules", "napi"].includes(name))
    .sort()
    .map(([name, version]) => ({
      type: name === "node" ? "platform" : "library",
      name,
      version,
      "bom-ref": `node:${name}@${version}`,
    }));
}

/** A UUID that is computed from a text: RFC 9562, version 8. */
function uuidOf(text: string): string {
  const digest = sha256(Buffer.from(text));
  const [a, b, c, d, e] = [
    digest.slice(0, 8),
    digest.slice(8, 12),
    digest.slice(13, 16),
    digest.slice(17, 20),
    digest.slice(20, 32),
  ];
  return `${a}-${b}-8${c}-8${d}-${e}`;
}

/**
 * An in-toto statement with SLSA's predicate: the files, and the sources and packages from which they are
 * made.
 */
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

/**
 * Signs a file with an SSH key, so that `ssh-keygen -Y verify` can check it: ssh-keygen(1). The signature is the
 * file's name with `.sig`. Asks for the key's passphrase if it has one.
 * @param key path of the private key, or of the public key of one that ssh-agent(1) has
 * @throws Error if ssh-keygen fails
 */
export function sign(file: string, key: string): void {
  rmSync(`${file}.sig`, { force: true });
  execFileSync("ssh-keygen", ["-Y", "sign", "-q", "-f", key, "-n", "file", file], {
    stdio: ["inherit", 2, 2],
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
