/** The driver resolves the host's default paths again only after a change. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { knownRules } from "../../../src/effects/landlock/rules.ts";
import { knownPaths } from "../../../src/effects/unveil/knownPaths.ts";
import { modeOf } from "../../../src/effects/unveil/unveil.ts";

/** A default path that no present-day host has, so the test may create it. */
const missing = "/hostname";

describe("the default paths", () => {
  it("are resolved to their targets", () => {
    const known = knownPaths();
    expect(known.get("/usr/bin")).toMatchObject({ at: "known", kind: "folder" });
    expect(known.get("/dev/null")).toMatchObject({ at: "known", kind: "file" });
    expect(known.get("/proc/self/cmdline")).toMatchObject({ at: "proc" });
    expect(known.get("/dev/stdout")).toEqual({ at: "stream", stream: 1 });
    expect(known.get(missing)).toEqual({ at: "nowhere", errno: "ENOENT" });
    expect(known.has("/tmp")).toBe(false);
    expect(knownPaths()).toBe(known);
  });

  it("are resolved again after one was created, replaced or removed", () => {
    onTestFinished(() => rmSync(missing, { force: true, recursive: true }));
    const before = knownPaths();
    writeFileSync(missing, "one");
    const one = knownPaths();
    expect(one).not.toBe(before);
    expect(one.get(missing)).toMatchObject({ at: "known", kind: "file" });
    writeFileSync(`${missing}.next`, "other");
    renameSync(`${missing}.next`, missing);
    const other = knownPaths().get(missing);
    expect(other).toMatchObject({ at: "known" });
    expect(other).not.toEqual(one.get(missing));
    rmSync(missing);
    expect(knownPaths().get(missing)).toEqual({ at: "nowhere", errno: "ENOENT" });
    mkdirSync(missing);
    expect(knownPaths().get(missing)).toMatchObject({ kind: "folder" });
    rmSync(missing, { recursive: true });
    symlinkSync("/proc/self/fd/1", missing);
    expect(knownPaths().get(missing)).toEqual({ at: "stream", stream: 1 });
  });

  it("get their rules from init unless options name them", () => {
    const known = knownPaths();
    const rule = (path: string, ...sources: ("default" | "plugin" | "task" | "folder")[]) => ({
      path,
      mode: modeOf("r"),
      sources,
    });
    const rules = [
      rule("/usr/bin", "default"),
      rule("/usr/lib", "default", "plugin"),
      rule("/usr/local", "task"),
      rule("/dev/stdout", "default"),
      rule(missing, "default"),
    ];
    expect(knownRules(rules, known, 1).map(({ path }) => path)).toEqual(["/usr/bin"]);
    expect(knownRules(rules, new Map(), 1)).toEqual([]);
  });
});
