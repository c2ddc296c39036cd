/**
 * The plans of seeded launches, commands and templates, and seeded filters, stay the same byte for byte. To
 * accept a change that is meant: `npx vitest run test/effects/launch/goldenPlans.test.ts -u`.
 */
import { hash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import { buildExecPlan, buildTerminalExecPlan } from "../../../src/effects/exec/execPlan.ts";
import { type Architecture, systemCallNames } from "../../../src/effects/kernel/systemCalls.ts";
import { portOptions } from "../../../src/effects/network/ports.ts";
import { assembleEarly, assembleLate } from "../../../src/effects/plan/assemble.ts";
import { describePlan } from "../../../src/effects/plan/describePlan.ts";
import type { Plan } from "../../../src/effects/plan/plan.ts";
import { buildTemplatePlan } from "../../../src/effects/root/templatePlan.ts";
import { defaultProfile } from "../../../src/effects/seccomp/defaultProfile.ts";
import { assembleFilter } from "../../../src/effects/seccomp/systemCallFilter.ts";
import { taskFilter } from "../../../src/effects/seccomp/taskFilter.ts";
import { anyLaunchInput } from "../../support/launch/anyLaunchInput.ts";
import { buildLaunchPlan } from "../../support/launch/wholeLaunch.ts";

const SEED = 20260715;
const LAUNCHES = 200;

/** What is compared: lines for people, and the assembled bytes. */
interface Built {
  readonly lines: readonly string[];
  readonly bytes: (architecture: Architecture) => readonly Uint8Array[];
}

const built = (plan: Plan & { readonly initName: string }): Built => ({
  lines: describePlan(plan),
  bytes: (architecture) => [assembleEarly(plan, architecture), assembleLate(plan, architecture)],
});

const path = fc.stringMatching(/^(?:\/[a-z.]{1,8}){1,4}$/);
const anyTemplate = fc.record({
  folders: fc.array(path, { maxLength: 12 }),
  links: fc.array(fc.record({ path, target: path }), { maxLength: 4 }),
  files: fc.array(path, { maxLength: 4 }),
  binds: fc.array(fc.record({ path, writable: fc.boolean(), devices: fc.boolean() }), { maxLength: 12 }),
});

const entry = fc.constantFrom(...systemCallNames, ...defaultProfile.map(({ name }) => `@${name}`));
const ports = fc.option(fc.array(fc.nat(65_535), { maxLength: 2 }), { nil: undefined });
const anyFilter = fc.record({
  profile: fc.record({
    profile: fc.constantFrom("default", "unconfined", "ours"),
    allow: fc.array(entry, { maxLength: 6 }),
    deny: fc.array(entry, { maxLength: 6 }),
  }),
  pidMode: fc.constantFrom("private" as const, "host" as const),
  limits: fc.record(Object.fromEntries(portOptions.map((option) => [option, ports]))),
});

const sample = <Value>(values: fc.Arbitrary<Value>) => fc.sample(values, { seed: SEED, numRuns: LAUNCHES });

const kinds: Readonly<Record<string, () => readonly (() => Built)[]>> = {
  launch: () => sample(anyLaunchInput).map((input) => () => built(buildLaunchPlan(input))),
  exec: () =>
    sample(anyLaunchInput).map((input, index) => () => {
      const build = index % 2 === 0 ? buildExecPlan : buildTerminalExecPlan;
      const cgroup = { parent: input.cgroup ?? "/", name: "exec2-exec-1" };
      return built(build({ ...input, waiterName: input.initName, cgroup }));
    }),
  template: () =>
    sample(anyTemplate).map((template) => () => {
      const skeleton = { ...template, identities: new Map<string, string>() };
      return built(buildTemplatePlan(skeleton, "/run/exec2/root"));
    }),
  filter: () =>
    sample(anyFilter).map(({ profile, pidMode, limits }) => () => {
      const filter = taskFilter(profile, { ...limits, pidMode });
      return {
        lines: (filter?.restrictions ?? []).map((restriction) => JSON.stringify(restriction)),
        bytes: (architecture) => (filter === undefined ? [] : [assembleFilter(filter, architecture)]),
      };
    }),
};

const sha256 = (...parts: readonly (string | Uint8Array)[]) =>
  hash("sha256", Buffer.concat(parts.map((part) => Buffer.from(part))), "base64url");

/**
 * The fingerprint of a plan: a digest of its lines, one of its bytes for both architectures, and a character
 * for each line, which shows where a changed plan begins to differ.
 */
function fingerprint(build: () => Built): { readonly text: string; readonly lines: readonly string[] } {
  try {
    const { lines, bytes } = build();
    const assembled = (["x64", "arm64"] as const).flatMap(bytes);
    const sizes = assembled.map(({ length }) => length).join(" ");
    const marks = lines.map((line) => sha256(line)[0]).join("");
    return { text: `${sha256(lines.join("\n"))} ${sha256(sizes, ...assembled)} ${marks}`, lines };
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    return { text: `${thrown.code} ${sha256(thrown.message)}`, lines: [] };
  }
}

describe.each(Object.keys(kinds))("the plans of seeded inputs: %s", (kind) => {
  it("are the same as before", async () => {
    const found = kinds[kind]?.().map(fingerprint) ?? [];
    expect(new Set(found.map(({ text }) => text)).size).toBeGreaterThan(LAUNCHES * 0.9);
    const file = join(import.meta.dirname, `../../fixtures/plans/${kind}.txt`);
    const before = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    const text = `${found.map((each) => each.text).join("\n")}\n`;
    // The error of the matcher itself would be a diff of digests.
    await expect(text)
      .toMatchFileSnapshot(file)
      .catch(() => expect.fail(differenceOf(found, before)));
  });
});

/** Tells people the first plan that differs, and where it begins to differ. */
function differenceOf(found: readonly ReturnType<typeof fingerprint>[], before: readonly string[]): string {
  const index = found.findIndex(({ text }, at) => text !== before[at]);
  const plan = `plan ${index} of seed ${SEED} differs`;
  const [linesBefore, , marks = ""] = before[index]?.split(" ") ?? [];
  const [lines, , now = ""] = found[index]?.text.split(" ") ?? [];
  if (lines === linesBefore) return `${plan}: its lines are the same, but not its bytes`;
  const at = [...now].findIndex((mark, place) => mark !== marks[place]);
  const line = found[index]?.lines[at] ?? "missing";
  return `${plan}: of ${marks.length} lines there are ${now.length}, and line ${at + 1} is now: ${line}`;
}
