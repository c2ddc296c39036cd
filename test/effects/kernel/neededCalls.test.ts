/** The list of needed calls has every young call that the driver makes. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { neededCalls } from "../../../src/effects/kernel/neededCalls.ts";
import { isSystemCallName, systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";

/** The first number of the calls that have the same number on all architectures: Linux 5.1. */
const firstYoungCall = 424;

/** Calls that Landlock's ABI stands for, or that only an option needs (`disk_limit`), whose check says what is missing. */
const checkedElsewhere = [
  "landlock_add_rule",
  "landlock_create_ruleset",
  "landlock_restrict_self",
  "quotactl_fd",
];

it("has each young call that plans and the plugin make, and no other", () => {
  const root = join(import.meta.dirname, "../../..");
  const made = globSync("src/effects/**/*.ts", { cwd: root }).flatMap((path) =>
    [...readFileSync(join(root, path), "utf8").matchAll(/\bcall: "(\w+)"|\bSYS_(\w+) =/g)].map(
      ([, step, constant]) => step ?? constant ?? "",
    ),
  );
  const young = made.filter(
    (call) => isSystemCallName(call) && (systemCallNumber(call, "x64") ?? 0) >= firstYoungCall,
  );
  expect([...new Set(young)].sort()).toEqual([...Object.keys(neededCalls), ...checkedElsewhere].sort());
});
