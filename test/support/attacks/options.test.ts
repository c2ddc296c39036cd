/** Each option of the plugin's block is a level of a factor, or has tests of its own. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePluginOptions, pluginSchema } from "../../../src/driver/options/pluginOptions.ts";
import { exceptions } from "../../../src/effects/exceptions.ts";
import { hclName } from "../../../src/effects/options/hclOptions.ts";
import { parseTaskOptions, pluginShape, taskSchema } from "../../../src/effects/parts.ts";
import { factors, ownTests, permissive } from "./options.ts";

const levels = Object.values(factors).flatMap((each) => Object.values(each));

/** The options that attacks are tried under, as the plugin's block has them. */
const tried = new Set([
  ...Object.keys(permissive),
  ...levels.flatMap(({ plugin }) => Object.keys(plugin ?? {})),
]);
const keys = Object.keys(pluginSchema.shape);

describe("each option of the plugin", () => {
  it("is tried, or has tests of its own", () => {
    expect(keys.filter((key) => !tried.has(hclName(key)) && !(key in ownTests))).toEqual([]);
    for (const [file, title] of Object.values(ownTests))
      expect(readFileSync(join(import.meta.dirname, "../../..", file), "utf8")).toContain(title);
  });

  it("is still one, if it is tried or has tests of its own", () => {
    expect(Object.keys(ownTests).filter((key) => !keys.includes(key))).toEqual([]);
    expect([...tried].filter((name) => !keys.map(hclName).includes(name))).toEqual([]);
  });

  it("that is an exception is tried, and is named as in the plugin's block", () => {
    const ofLevels = levels.flatMap(({ exception }) => exception ?? []);
    const ofTests = Object.keys(ownTests).filter((key) => key in exceptions);
    expect(new Set([...ofLevels, ...ofTests])).toEqual(new Set(Object.keys(exceptions)));
    for (const [key, { option }] of Object.entries(exceptions)) expect(option).toBe(hclName(key));
  });
});

/** What concerns only the operator's own host, with values of each. */
const ofHost = {
  state_dir: ["/srv/one", "/tmp/state", "/"],
  history: [[], [{ keep: "1h" }], [{ max_size_mb: "16" }]],
  usage_interval: ["0", "1s", "24h"],
  metrics: ["", "127.0.0.1:9464", "/run/metrics"],
  exit_message: ["cause", "output", "off"],
  traces: [false, true],
} as const;

describe("no option of a job reaches", () => {
  const ofTask = taskSchema().shape;

  it.each(Object.entries(ofHost))("%s, which neither a job has nor what makes a sandbox", (name, values) => {
    const names = [ofTask, pluginShape()].flatMap((shape) => Object.keys(shape).map(hclName));
    expect(names).not.toContain(name);
    // Each option as its description shows it, which all together contradict each other.
    const examples = Object.entries(ofTask).map(
      ([key, field]) => [hclName(key), field.meta()?.example] as const,
    );
    fc.assert(
      fc.property(fc.subarray(examples), fc.constantFrom(...values), (chosen, value) => {
        const job = { command: "true", ...Object.fromEntries(chosen) };
        const settled = (options: object) => {
          try {
            return parseTaskOptions(job, parsePluginOptions({ ...permissive, ...options }));
          } catch (thrown) {
            return String(thrown);
          }
        };
        expect(settled({ [name]: value })).toEqual(settled({}));
      }),
    );
    const naming = { command: "true", [name]: values.at(-1) };
    expect(() => parseTaskOptions(naming, parsePluginOptions(permissive))).toThrow(name);
  });
});
