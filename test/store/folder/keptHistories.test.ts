import { chmodSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isPinned,
  markArchived,
  pinHistory,
  readArchived,
  readPins,
  unpinHistory,
} from "../../../src/store/folder/keptHistories.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

describe("a pin", () => {
  it("protects a history until it is removed, for any task id", () => {
    const folder = temporaryFolder();
    const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 300, unit: "binary" }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(ids, fc.string(), (tasks, reason) => {
        const pins = tasks.map((task, at) => ({ task, reason, at }));
        for (const pin of pins) pinHistory(folder, pin);
        for (const task of tasks) expect(isPinned(folder, task)).toBe(true);
        expect(readPins(folder).toSorted((a, b) => a.at - b.at)).toEqual(pins);
        for (const task of tasks) expect(unpinHistory(folder, task)).toBe(true);
        for (const task of tasks)
          expect([isPinned(folder, task), unpinHistory(folder, task)]).toEqual([false, false]);
        expect(readdirSync(join(folder, "pins"))).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it("gets a new reason when it is repeated", () => {
    const folder = temporaryFolder();
    for (const at of [1, 2]) pinHistory(folder, { task: "a", reason: `reason ${at}`, at });
    expect(readPins(folder)).toEqual([{ task: "a", reason: "reason 2", at: 2 }]);
  });

  it("that cannot be read still protects its history", () => {
    const folder = temporaryFolder();
    pinHistory(folder, { task: "a", reason: "", at: 1 });
    const [name = ""] = readdirSync(join(folder, "pins"));
    writeFileSync(join(folder, "pins", name), "{");
    expect([isPinned(folder, "a"), readPins(folder)]).toEqual([true, []]);
  });

  it("is assumed if the folder cannot be read", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "pins"), "");
    chmodSync(folder, 0o700);
    expect([isPinned(folder, "a"), existsSync(join(folder, "pins"))]).toEqual([true, true]);
    expect(() => pinHistory(folder, { task: "a", reason: "", at: 1 })).toThrow(/cannot be kept/);
  });
});

describe("the archived histories", () => {
  it("are those that were marked last, or none", () => {
    const folder = temporaryFolder();
    expect(readArchived(folder)).toEqual(new Set());
    markArchived(folder, ["a", "b"]);
    markArchived(folder, ["b", "c"]);
    expect(readArchived(folder)).toEqual(new Set(["b", "c"]));
    writeFileSync(join(folder, "archived.json"), "nonsense");
    expect(readArchived(folder)).toEqual(new Set());
  });
});
