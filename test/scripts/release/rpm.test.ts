/** The package for RPM, with a small file in place of the executable. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { buildRpm } from "../../../scripts/release/packages.ts";
import { version } from "../../../src/base/version.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const name = "nomad-driver-exec2";
const date = 1_764_000_000;

function built(context: TestContext): string {
  requireTools(context, "rpm", "rpmbuild");
  const folder = temporaryFolder();
  const executable = join(folder, "program");
  writeFileSync(executable, "#!/bin/sh\necho ran\n", { mode: 0o755 });
  return buildRpm(
    { architecture: "amd64", executable, licences: "licences", date, compression: 1 },
    join(folder, "made"),
  );
}

const asked = (path: string, ...query: readonly string[]) =>
  execFileSync("rpm", ["--query", "--package", ...query, path], { encoding: "utf8" });

describe("the package for RPM", () => {
  it("has the same bytes in each folder", (context) => {
    const [one, another] = [built(context), built(context)];
    expect(one).not.toBe(another);
    expect(readFileSync(one)).toEqual(readFileSync(another));
  });

  it("has the executable, the pages, the completions and the role, and asks for the C libraries", (context) => {
    const path = built(context);
    expect(path).toMatch(new RegExp(`/nomad-driver-exec2-${version}-1\\.x86_64\\.rpm$`));
    expect(asked(path, "--list").split("\n")).toEqual(
      expect.arrayContaining([
        `/usr/bin/${name}`,
        "/usr/share/doc/nomad-driver-exec2/docs/rollout.md",
        "/usr/share/doc/nomad-driver-exec2/examples/ansible/rollout.yml",
        "/usr/share/zsh/site-functions/_nomad-driver-exec2",
      ]),
    );
    expect(asked(path, "--requires").split("\n")).toEqual(
      expect.arrayContaining(["glibc >= 2.34", "libgcc", "libstdc++ >= 11"]),
    );
    const owners = asked(path, "--queryformat", "[%{FILEUSERNAME}:%{FILEGROUPNAME}\n]");
    expect(new Set(owners.trim().split("\n"))).toEqual(new Set(["root:root"]));
    expect(asked(path, "--queryformat", "%{BUILDHOST} %{BUILDTIME}")).toBe(`localhost ${date}`);
  });

  it("has Debian's scripts, as rpm shows them", (context) => {
    const shown = asked(built(context), "--scripts");
    for (const script of ["postinst", "prerm", "postrm"]) {
      const [, ...lines] = readFileSync(join(import.meta.dirname, "../../../packaging", script), "utf8")
        .trimEnd()
        .split("\n");
      for (const line of lines.filter((each) => !each.includes("@STATE_ENTRIES@")))
        expect(shown).toContain(line);
    }
  });

  it("has no errors by rpmlint", (context) => {
    requireTools(context, "rpmlint");
    const filters = join(import.meta.dirname, "../../../packaging/rpmlintrc");
    const { stdout } = spawnSync("rpmlint", ["--rpmlintrc", filters, built(context)], { encoding: "utf8" });
    expect(stdout).toMatch(/1 packages and 0 specfiles checked/);
    // The executable of this test is a script.
    expect(stdout.match(/^.*: E: (?!no-binary).*$/gm)).toBeNull();
  });
});
