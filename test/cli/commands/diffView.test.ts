/**
 * Two histories as text, side by side or one above the other, with the place where they diverge, and as JSON.
 */

import { describe, expect, it } from "vitest";
import { DiffView, diffJson } from "../../../src/cli/commands/diff/diffView.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";
import { History } from "../../../src/history/replay/history.ts";
import { diffHistories, divergenceText } from "../../../src/history/replay/historyDiff.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { allLives, event, life, requestWith } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

function diffOf(left: readonly TaskEvent[], right: readonly TaskEvent[]) {
  const [one, other] = [left, right].map((events, index) => {
    const stream = `alloc${index}/web/1`;
    const timed = events.map((each, seq) => ({ ...each, time: 1_700_000_000_000 + 10 * seq * (index + 1) }));
    return new History(stream, new RecordedLog().add(stream, timed).events(stream));
  });
  return diffHistories(one as History, other as History);
}

const linesOf = (diff: ReturnType<typeof diffOf>, width: number) =>
  new DiffView(styleOf(false), width).text(diff).split("\n");

const begun = () => life("ended").slice(0, 4);
const denied = () =>
  diffOf(
    [...begun(), event("exited", { exitCode: 2 })],
    [requestWith({ unveil: [] }), ...begun().slice(1), event("exited")],
  );

describe("the sentence at the top", () => {
  it("says where the histories diverge, and how their input differs", () => {
    expect(divergenceText(denied())).toBe(
      "They diverge after started (event 4): A continues with exited: exit code 2 [5], B continues with exited: exit code 0 [5]. " +
        "Their input differs: options.unveil (requested, event 1).",
    );
  });

  it.each([
    [life("ended"), life("ended"), "No difference, except data that differ between any two runs."],
    [
      life("ended"),
      [requestWith({ command: "perl" }), ...life("ended").slice(1)],
      "The same events, from different input: options.command (requested, event 1).",
    ],
    [
      life("ended"),
      begun(),
      "They diverge after started (event 4): A continues with exited: exit code 0 [5], B has no more events.",
    ],
    [
      [event("adopted")],
      life("ended"),
      "They diverge from the first event on: A continues with adopted: from the Go driver, whose process was 300: pid 302, below 301 [1], B continues with requested: python3 … … as nomad-80001, 100 MHz, 64 MiB [1].",
    ],
    [
      life("recovered"),
      life("ended"),
      "They diverge after started (event 4): A continues with recovered: by plugin process 101: running [5], B continues with exited: exit code 0 [5].",
    ],
  ])("fits any pair of histories (%#)", (left, right, text) => {
    expect(divergenceText(diffOf(left, right))).toBe(text);
  });
});

describe("the histories", () => {
  it("are side by side if there is room, marked like those of sdiff", () => {
    const lines = linesOf(diffOf(life("ended"), life("failed")), 110);
    expect(lines.slice(0, 2)).toEqual([
      expect.stringMatching(/^A alloc0\/web\/1 of job shop, .*: exit 0$/),
      expect.stringMatching(/^B alloc1\/web\/1 of job shop, .*: never started$/),
    ]);
    const table = lines.slice(5).join("\n");
    expect(table).toMatch(/^ {2}1 {2}requested {40,}1 {2}requested$/m);
    expect(table).toMatch(
      /^ {2}2 {2}fingerprinted → fingerprinted +\+10 ms {5}2 {2}fingerprinted → fingerprinted +\+20 ms {3}×2\.0$/m,
    );
    expect(table).toMatch(/^ {2}4 {2}started → running +\+10 ms <\n {5}pid 201, below its init 200$/m);
    expect(table).toMatch(/^ {50,}> {3}3 {2}startFailed → failed +\+20 ms\n {55,}execve$/m);
    expect(table).toMatch(
      / \| {3}4 {2}destroyed → destroyed .*\n {5}exited → destroyed in A, failed → destroyed in B$/m,
    );
  });

  it("are one above the other if there is no room", () => {
    const table = linesOf(denied(), 60).slice(6).join("\n");
    expect(table).toMatch(
      /^ \| A {3}1 {2}requested +\n {3}B {3}1 {2}requested +\n {10}- options.unveil r:\/etc\/mime\.types$/m,
    );
    expect(table).toMatch(
      /^ \| A {3}5 {2}exited → exited +\+10 ms\n {3}B {3}5 {2}exited → exited +\+20 ms {3}×2\.0\n {10}~ exitCode 2 → 0$/m,
    );
  });

  it("fit the terminal, and show every event", () => {
    for (const width of [60, 72, 99, 100, 140, Number.POSITIVE_INFINITY]) {
      for (const one of allLives) {
        const diff = diffOf(life(one), life("killed"));
        const lines = linesOf(diff, width);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
        const told = lines.slice(4).join("\n");
        for (const { stored } of [...diff.left.moments(), ...diff.right.moments()])
          expect(told).toContain(stored.type);
      }
    }
  });

  it("are one JSON object, with null for missing values", () => {
    const told = JSON.parse(diffJson(denied()));
    expect(told).toMatchObject({
      left: { id: "alloc0/web/1", job: "shop", state: "exited", events: 5 },
      same: false,
      divergence: { left: 5, right: 5 },
    });
    expect(told.rows[0]).toMatchObject({
      left: { seq: 1, type: "requested", afterMs: null },
      ratio: null,
      changes: [{ path: "options.unveil", left: "r:/etc/mime.types", right: null }],
    });
    expect(told.rows[4]).toMatchObject({
      left: { afterMs: 10 },
      right: { afterMs: 20 },
      ratio: 2,
      sameStep: true,
    });
    expect(JSON.parse(diffJson(diffOf(begun(), begun()))).divergence).toBeNull();
  });
});
