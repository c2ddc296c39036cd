import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DriverError } from "../../../../src/base/errors.ts";
import { taskHistory } from "../../../../src/cli/histories/readHistory.ts";
import {
  type BundleHeader,
  eventLine,
  headerLine,
  usageLine,
} from "../../../../src/history/replay/bundle/bundleFormat.ts";
import { parseBundle } from "../../../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../../../src/history/replay/check/checkLog.ts";
import { encodeRecord, NO_HASH, type RecordPlace, sealData } from "../../../../src/store/eventRecord.ts";
import type { EventToAppend } from "../../../../src/store/eventStore.ts";
import { errorOf } from "../../../support/errors.ts";

const hash = "ab".repeat(32);
const streamsOf = (...versions: number[]) =>
  versions.map((version, index) => ({ stream: `alloc/main/${index}`, version, hash }));

function header(streams: BundleHeader["streams"]): string {
  const host = { kernel: "6.18", arch: "x64", node: "26" };
  return headerLine({ driver: "1", schema: 1, host, exportedAt: 0, masked: false, streams });
}

/** A complete bundle. Only its first stream may have events. */
function bundle(streams: BundleHeader["streams"], ...lines: readonly string[]): string {
  return [header(streams), ...lines, ...streams.map(({ stream }) => usageLine(stream, [])), ""].join("\n");
}

/** The line of an event with valid hashes, whatever its content. */
function line(data: unknown, fields: Partial<EventToAppend & RecordPlace> = {}): string {
  const event = { type: "requested", schema: 1, time: 0, data, from: "a", to: "b", effects: [], ...fields };
  const place = { stream: "alloc/main/0", seq: 1, position: 1, previousHash: NO_HASH, ...fields };
  const { bytes } = encodeRecord(event, place, sealData(data, Buffer.alloc(16)));
  return eventLine(Buffer.from(bytes), false);
}

describe("a stranger's bundle", () => {
  it.each([
    ["in one task", [2 ** 33]],
    ["in many", Array<number>(50).fill(2 ** 30)],
    ["more than a number can hold", [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]],
  ])("takes no memory for events that it announces but does not have, %s", (_, versions) => {
    const error = errorOf(() => parseBundle(`${header(streamsOf(...versions))}\n`, "b.jsonl"));
    expect(error).toMatchObject({ code: "BUNDLE_INVALID" });
    expect(error.message).toContain("too short for the");
  });

  it("is refused if it names a task twice", () => {
    const [stream] = streamsOf(0);
    if (stream === undefined) throw new Error("no stream");
    expect(errorOf(() => parseBundle(`${header([stream, stream])}\n`, "b.jsonl")).code).toBe(
      "BUNDLE_INVALID",
    );
  });

  it("reports data that are nested too deeply as damage", () => {
    const nested = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    const text = bundle(streamsOf(1), line("…").replace('"…"', nested));
    expect(checkLog(parseBundle(text, "b.jsonl").reader).findings).toMatchObject([
      { kind: "damage", seq: 1 },
    ]);
  });

  it("causes an error of limited length", () => {
    const keys = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, 1]));
    expect(errorOf(() => parseBundle(JSON.stringify(keys), "b.jsonl")).message.length).toBeLessThan(1000);
  });

  it("is read in time linear in its tasks", () => {
    const streams = streamsOf(...Array<number>(100_000).fill(0));
    const { reader } = parseBundle(bundle(streams), "b.jsonl");
    const listed = [...reader.streams()];
    expect(listed).toHaveLength(100_000);
    for (const { stream } of listed) expect([...reader.readStream(stream)]).toEqual([]);
  });

  it("causes only errors with a code, whatever its lines contain", () => {
    const fields = {
      ...{ stream: fc.constantFrom("alloc/main/0", "alloc/main/1", "", "__proto__") },
      ...{ seq: fc.integer({ min: 0, max: 3 }), position: fc.integer({ min: -1, max: 5 }) },
      ...{ type: fc.constantFrom("requested", "exited", "__proto__", ""), schema: fc.double() },
      ...{ time: fc.double(), from: fc.string(), to: fc.string(), effects: fc.array(fc.string()) },
    };
    const unverified = fc
      .record(
        {
          ...{ ...fields, data: fc.jsonValue(), salt: fc.constant("00".repeat(16)) },
          ...{ previous: fc.constant(NO_HASH), dataHash: fc.constant(hash), hash: fc.constant(hash) },
        },
        { requiredKeys: [] },
      )
      .map((each) => JSON.stringify(each));
    const verified = fc
      .tuple(fc.jsonValue(), fc.record(fields, { requiredKeys: [] }))
      .map(([data, given]) => line(data, given));
    const anyLine = fc.oneof(
      unverified,
      verified,
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.string(),
    );
    const versions = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });
    fc.assert(
      fc.property(versions, fc.array(anyLine), (versions, lines) => {
        const padding = " ".repeat(300);
        readAll([header(streamsOf(...versions)), ...lines, padding].join("\n"));
        // As many lines as the header announces, so that they are read.
        const whole = lines.map((each) => each.replaceAll("\n", ""));
        readAll(bundle(streamsOf(lines.length), ...whole));
        // The last line takes the place of the usage samples.
        readAll([header(streamsOf(Math.max(0, lines.length - 1))), ...whole, ""].join("\n"));
      }),
    );
  });

  it("causes only errors with a code, whatever its header contains", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue()), (value, fields) => {
        readAll(JSON.stringify(value));
        const unsigned = { ...JSON.parse(header([])), ...fields };
        delete unsigned.checksum;
        const checksum = createHash("sha256").update(JSON.stringify(unsigned)).digest("hex");
        readAll(`${JSON.stringify({ ...unsigned, checksum })}\n`);
      }),
    );
  });
});

/** Reads everything as the verbs do. */
function readAll(text: string): void {
  try {
    const { reader } = parseBundle(text, "b.jsonl");
    checkLog(reader);
    for (const { stream } of reader.streams()) {
      orDriverError(() => taskHistory(stream, [...reader.readStream(stream)]));
    }
    orDriverError(() => [...reader.readAll()]);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DriverError);
  }
}

function orDriverError(work: () => unknown): void {
  try {
    work();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DriverError);
  }
}
