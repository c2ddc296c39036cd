/** The profile for AppArmor, which no kernel of the tests enforces: what can be checked without one. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { setupFiles } from "../../../scripts/release/content.ts";

const profile = readFileSync(join(import.meta.dirname, "../../../packaging/exec2.apparmor"), "utf8");

describe("the profile for AppArmor", () => {
  it("is among the files of a release", () => {
    expect(String(setupFiles().get("exec2.apparmor"))).toBe(profile);
  });

  it("withholds what would undo it, or the kernel's other protection", () => {
    const given = [...profile.matchAll(/^ {2}capability (\w+),$/gm)].map(([, name]) => name);
    expect(given).toContain("sys_admin");
    for (const name of [
      "mac_admin",
      "mac_override",
      "sys_module",
      "sys_rawio",
      "sys_boot",
      "sys_time",
      "syslog",
    ])
      expect(given).not.toContain(name);
    expect(profile).not.toMatch(/change_profile|\bux\b|flags=\([^)]*complain/i);
  });
});
