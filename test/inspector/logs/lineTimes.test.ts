/** The times of log lines as far as they are known, and the places of events among them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LogEvent, mergeEvents } from "../../../src/inspector/page/logs/logEntries.ts";
import { type LogLine, placeLines, type RawLine, seenLine } from "../../../src/inspector/views/lineTimes.ts";

const at = (text: string) => Date.parse(`2026-11-24T${text}Z`);
const files = [
  { index: 3, changedAt: at("12:00:00") },
  { index: 4, changedAt: at("13:00:00") },
];
const lines = (...texts: readonly string[]): RawLine[] =>
  texts.map((text, number) => ({ index: 4, offset: number * 100, text }));
/** The known time of a line: its source and its bounds. */
const known = (placed: readonly LogLine[]) =>
  placed.map(({ source, after, before }) => [source, after, before]);

describe("a line without a time", () => {
  it("was written between the last write to the previous file and the last write to its own", () => {
    expect(known(placeLines(lines("up"), files, 0))).toEqual([["file", at("12:00:00"), at("13:00:00")]]);
    expect(known(placeLines([{ index: 3, offset: 0, text: "up" }], files, 0))).toEqual([
      ["file", null, at("12:00:00")],
    ]);
  });

  it("was written between the nearest lines that have a time", () => {
    const placed = placeLines(
      lines("2026-11-24T12:10:00Z begin", "  at trace", "2026-11-24T12:20:00Z end", "bye"),
      files,
      0,
    );
    expect(known(placed)).toEqual([
      ["own", at("12:10:00"), at("12:10:00")],
      ["file", at("12:10:00"), at("12:20:00")],
      ["own", at("12:20:00"), at("12:20:00")],
      ["file", at("12:20:00"), at("13:00:00")],
    ]);
  });
});

describe("a line whose time the logger has noted", () => {
  it("has it, if it is exact to a second; otherwise it is a bound of its own time and of others'", () => {
    const noted = ({ offset }: { readonly offset: number }) =>
      offset === 0
        ? { from: at("12:10:00"), until: at("12:10:01") }
        : { from: at("12:20:00"), until: at("12:40:00") };
    const placed = placeLines(lines("up", "busy", "2026-11-24T12:30:00Z own"), files, 0, noted);
    expect(known(placed)).toEqual([
      ["noted", at("12:10:00"), at("12:10:01")],
      ["file", at("12:20:00"), at("12:30:00")],
      ["own", at("12:30:00"), at("12:30:00")],
    ]);
    const unknown = () => ({ from: 0, until: at("12:05:00") });
    expect(known(placeLines(lines("old"), files, 0, unknown))).toEqual([
      ["file", at("12:00:00"), at("12:05:00")],
    ]);
  });
});

describe("a line's own time", () => {
  it.for([
    ["2026-11-24T12:30:00.250Z up", 250],
    ["2026-11-24 13:30:00,250 +0100 up", 250],
    ['{"level":"info","ts":1795523400.25,"msg":"up"}', 250],
    ['{"time":"2026-11-24T12:30:00Z"}', 0],
    ['{"timestamp":1795523400000}', 0],
    ['10.0.0.1 - - [24/Nov/2026:13:30:00 +0100] "GET / HTTP/1.1" 200', 0],
    ["2026/11/24 12:30:00 [error] 7#7: up", 0],
    ["2026/11/24 14:30:00 in the host's zone", 0],
  ] as const)("is read where programs write it: %s", ([text, ms]) => {
    expect(known(placeLines(lines(text), files, 120))).toEqual([
      ["own", at("12:30:00") + ms, at("12:30:00") + ms],
    ]);
  });

  it.for([
    ["2026-11-24T15:00:00Z is after the file's last write"],
    ["2026-11-23T12:30:00Z is before the file was begun"],
    ["2026-13-44T99:00:00Z is no time"],
    ["2026-11-24T12:30:001"],
    ["[24/Foo/2026:13:30:00 +0100]"],
    ["port 2026"],
  ])("is not believed: %s", ([text = ""]) => {
    expect(known(placeLines(lines(text), files, 120))).toEqual([["file", at("12:00:00"), at("13:00:00")]]);
  });

  it("without a zone is unknown if both UTC and the host's zone are possible", () => {
    expect(placeLines(lines("2026-11-24 12:50:00 up"), files, 30)[0]?.source).toBe("file");
  });
});

describe("the known times of lines", () => {
  it("never contradict each other, whatever the lines say", () => {
    const anyText = fc.oneof(
      fc.string(),
      fc.integer({ min: -7_200, max: 7_200 }).map((s) => new Date(at("12:30:00") + s * 1_000).toISOString()),
    );
    fc.assert(
      fc.property(
        fc.array(anyText, { maxLength: 30 }),
        fc.integer({ min: -720, max: 840 }),
        (texts, zone) => {
          const placed = placeLines(lines(...texts), files, zone);
          expect(placed.map(({ text }) => text)).toEqual(texts);
          for (const { after, before } of placed) expect(after ?? before).toBeLessThanOrEqual(before);
        },
      ),
    );
  });
});

const event = (time: number, seq = 1): LogEvent => ({
  id: "a/web/1",
  seq,
  time,
  text: "Running",
  bad: false,
});
const shown = (entries: ReturnType<typeof mergeEvents>) =>
  entries.map((entry) => (entry.kind === "line" ? entry.line.text : `${entry.event.seq}~${entry.among}`));
const whole = { isBegin: true, isEnd: true };

describe("events among lines", () => {
  it("are at the place of their time, with the number of later lines that may be older", () => {
    const placed = [
      ...placeLines(lines("a", "2026-11-24T12:20:00Z b", "c", "d", "2026-11-24T12:40:00Z e"), files, 0),
      seenLine({ index: 4, offset: 900, text: "f" }, at("13:00:01")),
    ];
    const events = [at("12:10:00"), at("12:30:00"), at("13:00:00"), at("13:00:02")].map((time, number) =>
      event(time, number + 1),
    );
    expect(shown(mergeEvents(placed, events, whole))).toEqual([
      ...["1~1", "a", "2026-11-24T12:20:00Z b", "2~2", "c", "d", "2026-11-24T12:40:00Z e", "3~0", "f", "4~0"],
    ]);
  });

  it("before and after the shown part are omitted, except at the log's own ends", () => {
    const placed = placeLines(lines("2026-11-24T12:20:00Z a", "2026-11-24T12:40:00Z b"), files, 0);
    const events = [event(at("12:10:00"), 1), event(at("12:30:00"), 2), event(at("12:50:00"), 3)];
    const inner = { isBegin: false, isEnd: false };
    expect(shown(mergeEvents(placed, events, inner)).filter((each) => each.includes("~"))).toEqual(["2~0"]);
    expect(shown(mergeEvents([], events, whole))).toEqual(["1~0", "2~0", "3~0"]);
  });

  it("are merged with the lines: nothing is lost, and events and lines keep their order", () => {
    const anyLines = fc
      .array(fc.nat(1_000), { maxLength: 30 })
      .map((times) =>
        times
          .toSorted((a, b) => a - b)
          .map((time, offset) => seenLine({ index: 0, offset, text: String(offset) }, time)),
      );
    const anyEvents = fc.array(fc.nat(1_000), { maxLength: 30 });
    fc.assert(
      fc.property(anyLines, anyEvents, (placed, times) => {
        const events = times.toSorted((a, b) => a - b).map((time, seq) => event(time, seq));
        const entries = mergeEvents(placed, events, whole);
        expect(entries.flatMap((each) => (each.kind === "line" ? each.line : []))).toEqual(placed);
        expect(entries.flatMap((each) => (each.kind === "event" ? each.event : []))).toEqual(events);
      }),
    );
  });
});
