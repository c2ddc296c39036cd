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

/** packaging/vulnerabilities.json: what is known of published vulnerabilities in the executable's parts. */
export interface KnownVulnerabilities {
  /** When advisories for all parts were last looked up (YYYY-MM-DD); null: never. */
  readonly lookedUp: string | null;
  readonly statements: readonly {
    /** CVE-…, GHSA-… */
    readonly id: string;
    /** Names in the bill of materials; "nomad-driver-exec2" is the executable itself. */
    readonly parts: readonly string[];
    /** A word of CycloneDX: not_affected, in_triage, exploitable, resolved. */
    readonly state: string;
    /** For not_affected, a word of CycloneDX: code_not_reachable, requires_configuration, … */
    readonly justification?: string;
    /** What a reader needs to judge it: which code is not reached and why, or what to do. */
    readonly detail: string;
  }[];
}

/**
 * The VEX statement (CycloneDX) to a bill of materials: which published vulnerabilities of its parts concern the
 * executable. Without a date of looking up it says that nobody has looked.
 * @throws Error if a statement names a part that the bill lacks, so that none outlives its part unnoticed
 */
export function exploitability(bill: string, known: KnownVulnerabilities): string {
  const bom = JSON.parse(bill);
  const parts: Component[] = [bom.metadata.component, ...bom.components];
  const document = bom.serialNumber.replace("urn:uuid:", "urn:cdx:");
  const linksTo = (id: string, name: string) => {
    const found = parts.filter((part) => part.name === name);
    if (found.length === 0)
      throw new Error(`${id} is said of ${name}, which is not in the bill of materials`);
    return found.map((part) => ({
      ref: `${document}/${bom.version}#${encodeURIComponent(part["bom-ref"])}`,
    }));
  };
  const lookedUp = known.lookedUp ?? "never";
  const vex = {
    $schema: bom.$schema,
    bomFormat: bom.bomFormat,
    specVersion: bom.specVersion,
    serialNumber: `urn:uuid:${uuidOf(bill + JSON.stringify(known))}`,
    version: 1,
    metadata: {
      timestamp: bom.metadata.timestamp,
      component: bom.metadata.component,
      properties: [{ name: "nomad-driver-exec2:advisories-looked-up", value: lookedUp }],
    },
    vulnerabilities: known.statements.map(({ id, parts: names, state, justification, detail }) => ({
      id,
      analysis: { state, ...(justification !== undefined && { justification }), detail },
      affects: names.flatMap((name) => linksTo(id, name)),
    })),
  };
  return `${JSON.stringify(vex, undefined, 2)}\n`;
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
