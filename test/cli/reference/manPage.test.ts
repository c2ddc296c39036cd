import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createProgram } from "../../../src/cli/cli.ts";
import { manPage } from "../../../src/cli/reference/manPage.ts";
import { outlineOf } from "../../../src/cli/reference/outline.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

it("the manual page has every verb and option, and man(1) renders it without warnings", (context) => {
  requireTools(context, "man");
  const outline = outlineOf(createProgram(() => {}));
  const path = join(temporaryFolder(), "page.1");
  writeFileSync(path, manPage(outline, { version: "1.2.3", date: "2026-11-25" }));
  const env = { ...process.env, MANWIDTH: "200", LC_ALL: "C.UTF-8", MANROFFOPT: "-ww" };
  const { stdout, stderr } = spawnSync("man", ["--warnings=w", "-l", path], { encoding: "utf8", env });
  expect(stderr).toBe("");
  expect(stdout).toContain("nomad-driver-exec2 1.2.3");
  expect(outline.verbs.length).toBeGreaterThan(10);
  for (const { name, options } of outline.verbs) {
    expect(stdout).toMatch(new RegExp(`^ +nomad-driver-exec2 ${name}\\b`, "m"));
    for (const { long, value } of options) expect(stdout).toContain(value ? `${long} ${value}` : long);
  }
  // People copy these lines, so they must not have typographic dashes.
  expect(stdout).toContain("nomad-driver-exec2 run -v --var message=hi examples/hello.nomad.hcl");
});
