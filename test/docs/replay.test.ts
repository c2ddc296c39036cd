/** docs/replay.md shows the view correctly: its screen, its keys, and the names in its expressions. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { bindingGroups } from "../../src/cli/debugger/bindings.ts";
import { initialState } from "../../src/cli/debugger/debuggerState.ts";
import { loadBundle } from "../../src/history/replay/bundle/loadBundle.ts";
import { namesOfMoment } from "../../src/history/replay/expression/momentScope.ts";
import { History } from "../../src/history/replay/history.ts";
import { enter, press, screenOf } from "../support/screen/debuggerView.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/replay.md"), "utf8");
const rows = text.split("\n");
const bundle = join(import.meta.dirname, "../fixtures/histories/ends.jsonl");

beforeEach(() => vi.stubEnv("TZ", "UTC"));
afterEach(() => vi.unstubAllEnvs());

describe("the documentation of the view", () => {
  it("shows the picture that the view draws", async () => {
    const { reader } = await loadBundle(bundle);
    const { stream = "" } = [...reader.streams()].find((each) => each.stream.includes("/resists/")) ?? {};
    const state = initialState(new History(stream, [...reader.readStream(stream)]), {
      columns: 80,
      rows: 20,
    });
    const picture = screenOf(press(enter(state, "b", "stop.timedOut"), "c")).map((line) => line.trimEnd());
    expect(text).toContain(`\`\`\`text\n${picture.join("\n")}\n\`\`\``);
  });

  it("names keys that the view has", () => {
    const bindings = bindingGroups.filter(({ pages }) => pages.includes("moment"));
    const shown = new Set(
      bindings.flatMap((group) => group.bindings.flatMap((each) => each.shown.split(" "))),
    );
    const [, table = ""] = text.split("| keys | |\n|---|---|\n");
    const cells = (table.split("\n\n")[0] ?? "").split("\n").map((row) => row.split(" | ")[0] ?? "");
    const named = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, key]) => key));
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((key) => key !== undefined && !shown.has(key))).toEqual([]);
  });

  it("has the names of expressions", () => {
    for (const [name, meaning] of Object.entries(namesOfMoment))
      expect(rows).toContain(`| \`${name}\` | ${meaning} |`);
  });
});
