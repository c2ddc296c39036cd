/** The statements of a release about itself are true, wherever it was built. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { packagesOfThePage } from "../../../scripts/release/content.ts";
import {
  billOfMaterials,
  checksumsOf,
  exploitability,
  provenance,
  sign,
} from "../../../scripts/release/statements.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const root = join(import.meta.dirname, "../../..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
const date = 1_764_000_000;

describe("the bill of materials", () => {
  it("has every package that the driver needs, and those of the page", (context) => {
    const { names } = billFor(context);
    const needed = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.optionalDependencies)];
    expect(names).toEqual(expect.arrayContaining([...needed, ...packagesOfThePage, "node", "openssl"]));
  });

  it("has no package for development or for other systems", (context) => {
    const { bom, names } = billFor(context);
    // A development dependency that the driver also needs is not only a tool.
    const tools = Object.keys(manifest.devDependencies).filter(
      (name) =>
        !packagesOfThePage.includes(name) &&
        !name.startsWith("@types/") &&
        lock.packages[`node_modules/${name}`].dev === true,
    );
    expect(names.filter((name) => tools.includes(name) || /darwin|win32|linux-arm$/.test(name))).toEqual([]);
    const refs = bom.components.map((component: Record<string, string>) => component["bom-ref"]);
    const pointed = bom.dependencies.flatMap(({ dependsOn }: { dependsOn: string[] }) => dependsOn);
    expect(pointed.filter((ref: string) => !refs.includes(ref))).toEqual([]);
  });

  it("depends on the given date, but not on the folder or the time of the build", (context) => {
    const { bom } = billFor(context);
    expect(bom.metadata.component).toMatchObject({ name: "nomad-driver-exec2", type: "application" });
    expect(bom.metadata.timestamp).toBe("2025-11-24T16:00:00.000Z");
    expect(JSON.stringify(bom)).not.toContain(root);
    expect(JSON.parse(billOfMaterials(date))).toEqual(bom);
  });
});

describe("the statement on vulnerabilities", () => {
  const statement = {
    id: "CVE-2099-0001",
    parts: ["lmdb", "nomad-driver-exec2"],
    state: "not_affected",
    justification: "code_not_reachable",
    detail: "Dumps are never loaded.",
  };

  it("points at the parts in the bill of materials, and says when advisories were looked up", (context) => {
    const { bom } = billFor(context);
    const vex = JSON.parse(
      exploitability(JSON.stringify(bom), { lookedUp: "2099-01-02", statements: [statement] }),
    );
    const links = ["lmdb", "nomad-driver-exec2"].map((name) => {
      const part = [bom.metadata.component, ...bom.components].find((each) => each.name === name);
      return `${bom.serialNumber.replace("urn:uuid:", "urn:cdx:")}/1#${encodeURIComponent(part["bom-ref"])}`;
    });
    const { id, analysis, affects } = vex.vulnerabilities[0];
    expect(affects.map(({ ref }: { ref: string }) => ref)).toEqual(links);
    const { state, justification, detail } = statement;
    expect([id, analysis]).toEqual([statement.id, { state, justification, detail }]);
    expect(vex.metadata.properties[0].value).toBe("2099-01-02");
  });

  it("says so if nobody has looked", (context) => {
    const vex = JSON.parse(
      exploitability(JSON.stringify(billFor(context).bom), { lookedUp: null, statements: [] }),
    );
    expect([vex.metadata.properties[0].value, vex.vulnerabilities]).toEqual(["never", []]);
  });

  it("is not made of a part that the bill of materials lacks", (context) => {
    const bill = JSON.stringify(billFor(context).bom);
    const gone = { ...statement, parts: ["left-pad"] };
    expect(() => exploitability(bill, { lookedUp: null, statements: [gone] })).toThrow(
      "CVE-2099-0001 is said of left-pad, which is not in the bill of materials",
    );
  });

  it("can be made of the record for the next release", (context) => {
    const known = JSON.parse(readFileSync(join(root, "packaging/vulnerabilities.json"), "utf8"));
    expect(() => exploitability(JSON.stringify(billFor(context).bom), known)).not.toThrow();
  });
});

it("checksums are those that sha256sum computes, and the provenance has the same checksums", () => {
  const folder = temporaryFolder();
  const files = ["one.deb", "another.tar.gz"].map((name) => join(folder, name));
  for (const file of files) writeFileSync(file, `content of ${file}`);
  writeFileSync(join(folder, "SHA256SUMS"), checksumsOf(files));
  const checked = execFileSync("sha256sum", ["--check", "SHA256SUMS"], { cwd: folder, encoding: "utf8" });
  expect(checked).toBe("one.deb: OK\nanother.tar.gz: OK\n");
  const { subject, predicate } = JSON.parse(provenance(files, "0123abcd"));
  const sums = subject.map(
    (each: { name: string; digest: { sha256: string } }) => `${each.digest.sha256}  ${each.name}\n`,
  );
  expect(sums.join("")).toBe(checksumsOf(files));
  expect(predicate.buildDefinition.resolvedDependencies[0]).toEqual({
    name: "sources",
    digest: { gitCommit: "0123abcd" },
  });
});

it("a signature of the checksums is valid for its key and its file alone", (context) => {
  requireTools(context, "ssh-keygen");
  const folder = temporaryFolder();
  const run = (input: string, ...args: readonly string[]) =>
    spawnSync("ssh-keygen", args, { cwd: folder, input, encoding: "utf8" });
  for (const key of ["key", "other"]) run("", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key);
  const sums = "0123  one.deb\n";
  writeFileSync(join(folder, "SHA256SUMS"), sums);
  // A signature is replaced.
  for (const key of ["other", "key"]) sign(join(folder, "SHA256SUMS"), join(folder, key));
  const verify = (key: string, text: string) => {
    writeFileSync(join(folder, "signers"), `release ${readFileSync(join(folder, `${key}.pub`), "utf8")}`);
    const check = ["-Y", "verify", "-f", "signers", "-I", "release", "-n", "file", "-s", "SHA256SUMS.sig"];
    return run(text, ...check).status === 0;
  };
  expect([verify("key", sums), verify("key", `${sums}x`), verify("other", sums)]).toEqual([
    true,
    false,
    false,
  ]);
});

it("a signature counts as SECURITY.md says: for the key's purpose, and in the key's time", (context) => {
  requireTools(context, "ssh-keygen");
  const folder = temporaryFolder();
  const run = (input: string, ...args: readonly string[]) =>
    spawnSync("ssh-keygen", args, { cwd: folder, input, encoding: "utf8" });
  run("", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "key");
  writeFileSync(join(folder, "SHA256SUMS"), "0123  one.deb\n");
  sign(join(folder, "SHA256SUMS"), join(folder, "key"));
  const isValid = (options: string, ...when: readonly string[]) => {
    writeFileSync(
      join(folder, "signers"),
      `release ${options} ${readFileSync(join(folder, "key.pub"), "utf8")}`,
    );
    const check = ["-Y", "verify", "-f", "signers", "-I", "release", "-n", "file", "-s", "SHA256SUMS.sig"];
    return run("0123  one.deb\n", ...check, ...when).status === 0;
  };
  expect(isValid('namespaces="file",valid-after="20200101"')).toBe(true);
  expect(isValid('namespaces="git"')).toBe(false);
  const replaced = 'namespaces="file",valid-after="20200101",valid-before="20210101"';
  expect(isValid(replaced)).toBe(false);
  expect(isValid(replaced, "-O", "verify-time=20200601")).toBe(true);
});

let bill: string | undefined;

function billFor(context: TestContext) {
  requireTools(context, "npm");
  bill ??= billOfMaterials(date);
  const bom = JSON.parse(bill);
  const names: string[] = bom.components.map(({ name }: { name: string }) => name);
  return { bom, names };
}
