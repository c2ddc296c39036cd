import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bundleLines } from "../../../../src/history/replay/bundle/exportBundle.ts";
import { parseBundle } from "../../../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../../../src/history/replay/check/checkLog.ts";
import { maskEvent } from "../../../../src/history/replay/mask.ts";
import { maxSamples, type UsageSample } from "../../../../src/store/usage/usageSample.ts";
import { errorOf } from "../../../support/errors.ts";
import { allLives, event, life, requestWith } from "../../../support/history/history.ts";
import { memoryEventStore } from "../../../support/history/memoryEventStore.ts";
import { RecordedLog } from "../../../support/history/recordedLog.ts";
import { sampleEvent } from "../../../support/history/sampleEvents.ts";
import { usageSample } from "../../../support/metrics/usage.ts";

const secret = "marker-91ab";

/** One task for each kind of life. Their arguments contain a secret. */
function log(): RecordedLog {
  const recorded = new RecordedLog();
  for (const name of allLives) {
    const [, ...rest] = life(name);
    const plan = [`task      execute the command: execve("/bin/sh", ["sh", "--token=${secret}"], ["A=…"])`];
    const events = rest.map((each) => (each.type === "sandboxed" ? event("sandboxed", { plan }) : each));
    recorded.add(`alloc/${name}/1`, [requestWith({ args: ["--token", secret] }), ...events]);
  }
  return recorded;
}

/** Only the last task has usage samples. */
const used = Array.from({ length: 20 }, (_, index) =>
  usageSample({ time: 1_764_000_000_000 + index * 1_000, userUs: index * 1_000, pids: Number.NaN }),
);

function usageOf(recorded: RecordedLog, samples: readonly UsageSample[] = used) {
  return new Map([[recorded.heads.at(-1)?.stream ?? "", samples]]);
}

function bundleOf(recorded: RecordedLog, mask: boolean): string {
  const reader = recorded.reader(usageOf(recorded));
  const streams = recorded.heads.map((head) => ({ head, reader }));
  return [...bundleLines(streams, { mask, now: 1_764_000_000_000 })].map((line) => `${line}\n`).join("");
}

const refusal = (text: string) => errorOf(() => parseBundle(text, "b.jsonl"));

describe("a bundle", () => {
  it("has the log's records unchanged, and verifies as the log does", () => {
    const recorded = log();
    const { reader, header } = parseBundle(bundleOf(recorded, false), "b.jsonl");
    expect(header).toMatchObject({ masked: false, streams: recorded.heads });
    for (const { stream } of recorded.heads) {
      expect([...reader.readRecords(stream)]).toEqual([...recorded.reader().readRecords(stream)]);
    }
    expect([...reader.readAll()]).toEqual([...recorded.reader().readAll()]);
    expect(checkLog(reader)).toEqual(checkLog(recorded.reader()));
  });

  it("has no secrets if it is masked, and its chain can still be verified", () => {
    const recorded = log();
    const text = bundleOf(recorded, true);
    expect(text).not.toContain(secret);
    expect(bundleOf(recorded, false)).toContain(secret);
    const { reader } = parseBundle(text, "b.jsonl");
    expect([...reader.readAll()]).toEqual([...recorded.reader().readAll()].map(maskEvent));
    expect(checkLog(reader)).toEqual(checkLog(recorded.reader()));
    // A bundle exported from a bundle is the same.
    const again = recorded.heads.map((head) => ({ head, reader }));
    const lines = [...bundleLines(again, { mask: true, now: 1_764_000_000_000 })];
    expect(lines.map((line) => `${line}\n`).join("")).toBe(text);
  });

  it("has samples of what tasks used, thinned out for a long life", () => {
    const recorded = log();
    const [first, last] = [recorded.heads[0], recorded.heads.at(-1)].map((head) => head?.stream ?? "");
    const { reader } = parseBundle(bundleOf(recorded, true), "b.jsonl");
    expect(reader.usage(last ?? "")).toEqual(used);
    expect(reader.usage(first ?? "")).toEqual([]);
    const many = Array.from({ length: maxSamples }, (_, index) =>
      usageSample({ time: index * 60_000, memoryBytes: index === 77 ? 1_000 : 1 }),
    );
    const long = recorded.reader(usageOf(recorded, many));
    const streams = recorded.heads.map((head) => ({ head, reader: long }));
    const lines = [...bundleLines(streams, { mask: true, now: 0 })];
    const kept = parseBundle(`${lines.join("\n")}\n`, "b.jsonl").reader.usage(last ?? "");
    expect(kept.length).toBeLessThanOrEqual(128);
    expect([kept[0], kept.at(-1)]).toEqual([many[0], many.at(-1)]);
    expect(Math.max(...kept.map(({ memoryBytes }) => memoryBytes))).toBe(1_000);
  });

  it.each([true, false])("reports any changed byte at the event that contains it (masked: %s)", (mask) => {
    const recorded = log();
    const bytes = Buffer.from(bundleOf(recorded, mask));
    const lines = bytes.toString().split("\n");
    const begin = Buffer.byteLength(`${lines[0]}\n`);
    // The line with a task's usage samples follows its events.
    const places = recorded.heads.flatMap(({ stream, version }) =>
      Array.from({ length: version + 1 }, (_, index) => ({
        stream,
        seq: index < version ? index + 1 : null,
      })),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: begin, max: bytes.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const changed = Buffer.from(bytes);
          changed[at] = (changed[at] ?? 0) ^ flip;
          // A changed line break splits or joins lines, so the bundle is incomplete.
          if (bytes[at] === 10 || changed[at] === 10) {
            expect(refusal(changed.toString())).toMatchObject({ code: "BUNDLE_INVALID" });
            return;
          }
          const index = bytes.subarray(begin, at).toString("latin1").split("\n").length - 1;
          const { findings, damage } = checkLog(parseBundle(changed.toString(), "b.jsonl").reader);
          const { stream = "", seq } = places[index] ?? {};
          if (seq === null) expect(damage).toEqual([`the usage samples of ${stream} were changed`]);
          else expect(findings).toMatchObject([{ kind: "damage", stream, seq }]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("reports events that were omitted, swapped or duplicated", () => {
    const [header, ...lines] = bundleOf(log(), true).trimEnd().split("\n");
    const check = (changed: (string | undefined)[]) =>
      checkLog(parseBundle([header, ...changed, ""].join("\n"), "b.jsonl").reader).findings;
    const [first, second, third, ...rest] = lines;
    expect(check([first, third, second, ...rest])).toMatchObject([{ seq: 2, defect: { kind: "sequence" } }]);
    expect(check([first, second, second, ...rest])).toMatchObject([{ seq: 3, defect: { kind: "sequence" } }]);
  });

  it("explains what is wrong with a file that is not a bundle, or is truncated", () => {
    const text = bundleOf(log(), true);
    for (const foreign of [
      "",
      "\n",
      "{}\n",
      "[1]\n",
      "not json",
      '{"stream":"a"}\n',
      text.split("\n").slice(1).join("\n"),
    ]) {
      expect(refusal(foreign).message).toContain("it has no bundle header");
    }
    for (let share = 0.1; share < 1; share += 0.1) {
      expect(refusal(text.slice(0, text.length * share))).toMatchObject({ code: "BUNDLE_INVALID" });
    }
    const events = text.slice(0, text.lastIndexOf('{"usage"'));
    expect(refusal(events.slice(0, -1)).message).toContain(
      "it ends before the end of event 6 of alloc/lost/1",
    );
    expect(refusal(text.slice(0, -1)).message).toContain(
      "it ends before the end of the usage samples of alloc/lost/1",
    );
    expect(refusal(`${text}more`).message).toContain("there is text after the last line");
    expect(refusal(`${text}\n`).message).toContain("there is text after the last line");
    expect(refusal(text.replace('"driver":"', '"driver":"9')).message).toContain("checksum");
    expect(refusal(text.replace('"format":1', '"format":2')).message).toContain("format");
  });

  it("has data that JSON cannot represent in the nearest form, and reports that they cannot be verified", async () => {
    const store = memoryEventStore();
    await store.append("odd", 0, [sampleEvent("odd", { count: -0, ratio: Number.NaN, list: [1] })]);
    const [head] = store.streams();
    if (head === undefined) throw new Error("no stream");
    const lines = [...bundleLines([{ head, reader: store }], { mask: false, now: 0 })];
    const { reader } = parseBundle(`${lines.join("\n")}\n`, "b.jsonl");
    expect([...reader.readStream("odd")][0]?.data).toEqual({ count: 0, ratio: null, list: [1] });
    expect(checkLog(reader).findings).toMatchObject([{ kind: "unreadable" }]);
  });

  it("ends with the event that was the last one when the export began", async () => {
    const recorded = log();
    const [head] = recorded.heads;
    if (head === undefined) throw new Error("no stream");
    const short = { ...head, version: 2, hash: recorded.events(head.stream)[1]?.hash ?? "" };
    const lines = [...bundleLines([{ head: short, reader: recorded.reader() }], { mask: true, now: 0 })];
    expect(checkLog(parseBundle(`${lines.join("\n")}\n`, "b.jsonl").reader)).toMatchObject({
      events: 2,
      findings: [],
    });
  });
});
