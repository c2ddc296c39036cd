import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { History } from "../../../src/history/replay/history.ts";
import { sequenceDiagram } from "../../../src/history/why/sequenceDiagram.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { allLives, event, life, requestWith } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const stream = "6f2d4a9e/web/1";

function linesOf(...events: TaskEvent[]): string[] {
  const stored = new RecordedLog().add(stream, events).events(stream);
  return sequenceDiagram(new History(stream, stored)).split("\n");
}

/** The kinds of lines in a sequence diagram. Texts must not contain anything that is Mermaid syntax. */
const grammar =
  /^(?:sequenceDiagram| {2}title (?:TEXT)| {2}participant (?:agent as Nomad agent|driver|task)| {2}Note over driver: \w+| {2}(?:agent->>driver|driver->>driver|driver->>task|task-->>driver): (?:TEXT)|)$/;
const text = String.raw`(?:[^#;%$<>\\{}\p{Cc}\u2028\u2029]|#\d+;|<br/>)+`;
const line = new RegExp(grammar.source.replaceAll("TEXT", text), "u");

describe("a sequence diagram", () => {
  it("has the three participants, an arrow for each event, and a note for each new state", () => {
    const lines = linesOf(...life("stopped"));
    expect(lines.slice(0, 5)).toEqual([
      "sequenceDiagram",
      expect.stringMatching(/^ {2}title 6f2d4a9e\/web\/1, 20\d\d-/),
      "  participant agent as Nomad agent",
      "  participant driver",
      "  participant task",
    ]);
    const arrows = lines.flatMap(
      (each) => /^ {2}(\S+>>\w+): \d+ (\w+)/.exec(each)?.slice(1, 3).join(" ") ?? [],
    );
    expect(arrows).toEqual([
      "agent->>driver requested",
      "driver->>driver fingerprinted",
      "driver->>driver sandboxed",
      "driver->>task started",
      "agent->>driver stopRequested",
      "driver->>task signalled",
      "task-->>driver exited",
      "agent->>driver destroyed",
    ]);
    expect(lines.filter((each) => each.includes("Note")).map((each) => each.split(": ")[1])).toEqual([
      ...["fingerprinted", "sandboxed", "running", "stopping", "exited", "destroyed"],
    ]);
  });

  it("can be parsed by Mermaid whatever a history contains", () => {
    for (const name of allLives) for (const each of linesOf(...life(name))) expect(each).toMatch(line);
    const misleading = ["end", "#35;", "; end", "%%{init: {}}%%", "$$x$$", "<br/><b>", "\\n", "a\nb\r\u2028"];
    const words = fc.array(fc.oneof(fc.constantFrom(...misleading), fc.string({ unit: "binary" })));
    fc.assert(
      fc.property(words, (args) => {
        const lines = linesOf(
          requestWith({ command: "x", args }),
          event("startFailed", { message: args.join(" ") }),
        );
        for (const each of lines) expect(each).toMatch(line);
      }),
    );
  });
});
