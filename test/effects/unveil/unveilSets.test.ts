import { describe, expect, test } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import { builtInSets } from "../../../src/effects/unveil/builtInSets.ts";
import { formatUnveil, unveilProblem } from "../../../src/effects/unveil/unveil.ts";
import { unveilRules } from "../../../src/effects/unveil/unveilRules.ts";
import { entriesOfSets } from "../../../src/effects/unveil/unveilSets.ts";

const cuda = { unveil_sets: [{ cuda: ["rw:/dev/nvidia0", "rx:/opt/cuda"], java: ["r:/srv/java"] }] };

function entries(names: readonly string[], plugin: Readonly<Record<string, unknown>> = {}) {
  const options = parsePluginOptions({ ...plugin, unveil_by_task: true });
  return entriesOfSets({ unveilSets: names }, options).map(
    (entry) => `${entry.source} ${formatUnveil(entry)}${entry.optional ? ", if it exists" : ""}`,
  );
}

/** The rule for a path, of a job with sets and further entries. */
function ruleAt(path: string, unveil_sets: readonly string[], unveil: readonly string[] = []) {
  const options = parsePluginOptions({ unveil_by_task: true, ...cuda });
  const task = parseTaskOptions({ command: "x", unveil, unveil_sets }, options);
  const folder = (name: string) => `/alloc/${name}`;
  const [rootDir, taskDir, allocDir] = [folder("web"), folder("web/local"), folder("alloc")];
  const folders = {
    rootDir,
    taskDir,
    allocDir,
    secretsDir: folder("web/secrets"),
    tmpDir: folder("web/tmp"),
  };
  return unveilRules({ options, task, folders }).entries.find((rule) => rule.path === path);
}

describe("sets of paths", () => {
  test("of the operator are the operator's entries, and come before the driver's", () => {
    expect(entries(["git", "cuda", "git"], cuda)).toEqual([
      "plugin rw:/dev/nvidia0",
      "plugin rx:/opt/cuda",
      "task r:/usr/share/git-core, if it exists",
    ]);
  });

  test("of the operator replace the driver's of the same name", () => {
    expect(entries(["java"], cuda)).toEqual(["plugin r:/srv/java"]);
  });

  test("that nobody defines are refused, with a name that may be meant", () => {
    expect(() => entries(["jaba"], cuda)).toThrow(
      /"unveil_sets" with "jaba", which this client does not define.*java/,
    );
    expect(() => entries(["constructor"])).toThrow(/does not define/);
  });

  test.each(Object.entries(builtInSets))("%s has valid entries, none of which may be written", (_, set) => {
    expect(set.entries.map(unveilProblem)).toEqual(set.entries.map(() => undefined));
    expect(set.entries.filter((entry) => /^[^:]*[wc]/.test(entry))).toEqual([]);
  });

  test("that no option allows are refused, unless the operator defines them", () => {
    const parse = (unveil_sets: readonly string[], plugin: Readonly<Record<string, unknown>>) =>
      parseTaskOptions({ command: "x", unveil_sets }, parsePluginOptions(plugin));
    expect(() => parse(["git"], {})).toThrow(/"unveil_sets", which this client does not allow/);
    expect(() => parse(["git"], cuda)).toThrow(/"unveil_sets", which this client does not allow/);
    expect(parse(["cuda", "java"], cuda).unveilSets).toEqual(["cuda", "java"]);
    expect(parse(["git"], { unveil_allowed: ["r:/usr"] }).unveilSets).toEqual(["git"]);
  });

  test("make rules: optional ones for the driver's sets, unless the job itself names the path", () => {
    expect(ruleAt("/opt/cuda", ["cuda"])).toEqual({
      path: "/opt/cuda",
      mode: expect.anything(),
      sources: ["plugin"],
    });
    const git = "/usr/share/git-core";
    expect(ruleAt(git, ["git"])).toMatchObject({
      sources: ["task"],
      optional: true,
      jobMode: { read: true },
    });
    expect(ruleAt(git, ["git"], [`r:${git}`])).not.toHaveProperty("optional");
    expect(ruleAt(git, [])).toBeUndefined();
  });

  test("count as entries of the job", () => {
    const options = parsePluginOptions({
      unveil_sets: [{ all: Array.from({ length: 257 }, (_, n) => `r:/srv/${n}`) }],
    });
    expect(() => parseTaskOptions({ command: "x", unveil_sets: ["all"] }, options)).toThrow(
      /unveils 257 paths/,
    );
  });
});
