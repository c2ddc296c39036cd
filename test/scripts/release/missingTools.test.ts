/** A release needs tools that a machine may lack. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const script = join(import.meta.dirname, "../../../scripts/release.ts");

it.each([
  [{}, "this machine lacks dpkg-deb, rpmbuild. On Debian: apt-get install dpkg rpm"],
  [{ RELEASE_KEY: "/no/key" }, "the key /no/key (RELEASE_KEY) does not exist"],
])("with %j it names what is missing, and neither installs nor builds anything", (variables, text) => {
  const env = { PATH: temporaryFolder(), ...variables };
  const { status, stderr } = spawnSync(process.execPath, [script, process.arch], { env, encoding: "utf8" });
  expect(stderr).toBe(`[release] ${text}\n`);
  expect(status).toBe(1);
});
