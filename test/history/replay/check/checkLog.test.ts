import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkLog, partsOf } from "../../../../src/history/replay/check/checkLog.ts";
import { checkStream } from "../../../../src/history/replay/check/streamCheck.ts";
import { thisMachine } from "../../../../src/machines/machineVersion.ts";
import { allLives, event, life } from "../../../support/history/history.ts";
import { memoryEventStore } from "../../../support/history/memoryEventStore.ts";
import { RecordedLog } from "../../../support/history/recordedLog.ts";
import { sampleEvent } from "../../../support/history/sampleEvents.ts";

/** One task for each kind of life. */
function log(): RecordedLog {
  const recorded = new RecordedLog();
  for (const name of allLives) recorded.add(`alloc/${name}/1`, life(name));
  return recorded;
}

describe("a check of a log", () => {
  it("verifies what the machine recorded", () => {
    const recorded = log();
    expect(checkLog(recorded.reader())).toEqual({
      streams: allLives.length,
      events: recorded.records.length,
      findings: [],
      damage: [],
    });
    expect(checkLog(new RecordedLog().reader())).toEqual({
      ...{ streams: 0, events: 0, findings: [], damage: [] },
    });
  });

  it("finds any flipped bit at the event that contains it, and nothing else", () => {
    const count = log().records.length;
    fc.assert(
      fc.property(fc.nat(count - 1), fc.nat(), fc.nat(7), (index, at, bit) => {
        const recorded = log();
        recorded.flip(index, at, bit);
        const { stream, seq } = recorded.records[index] as (typeof recorded.records)[number];
        const { findings } = checkLog(recorded.reader());
        expect(findings).toMatchObject([
          { kind: "damage", stream, seq, defect: { kind: /format|hash|data/ } },
        ]);
      }),
      { numRuns: 500 },
    );
  });

  it("in parts, each with streams of its own, finds together what a whole one finds", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.nat(log().records.length - 1)),
        (of, damaged) => {
          const recorded = log();
          for (const index of damaged) recorded.flip(index, 200);
          const parts = partsOf(recorded.reader(), of).map((part) => checkLog(recorded.reader(), { part }));
          const whole = checkLog(recorded.reader());
          expect(parts.reduce((sum, { streams }) => sum + streams, 0)).toBe(whole.streams);
          expect(parts.reduce((sum, { events }) => sum + events, 0)).toBe(whole.events);
          expect(new Set(parts.flatMap(({ findings }) => findings))).toEqual(new Set(whole.findings));
        },
      ),
    );
  });

  it("has the same findings in parts as in one, also for tasks whose events are interleaved", async () => {
    const store = memoryEventStore();
    const names = allLives.map((name) => `alloc/${name}/1`);
    const recorded = log();
    const events = names.map((name) => recorded.events(name));
    for (let seq = 0; events.some((each) => seq < each.length); seq++) {
      for (const [index, name] of names.entries()) {
        const next = events[index]?.[seq];
        if (next !== undefined) await store.append(name, seq, [next]);
      }
    }
    const count = events.flat().length;
    for (const of of [1, 2, 3, names.length, 2 * names.length]) {
      const parts = partsOf(store, of);
      expect(parts).toHaveLength(of);
      const reports = parts.map((part) => checkLog(store, { part }));
      expect(reports.flatMap(({ findings }) => findings)).toEqual([]);
      expect(reports.reduce((sum, each) => sum + each.events, 0)).toBe(count);
      if (of === 2) for (const each of reports) expect(each.events).toBeGreaterThan(count / 4);
    }
    // An event that no head counts, and one of a stream without a head: whichever part has their positions.
    const wrong = log();
    const [first] = wrong.heads;
    if (first !== undefined) wrong.heads[0] = { ...first, version: first.version - 1, hash: "0".repeat(64) };
    wrong.heads.pop();
    const whole = checkLog(wrong.reader()).findings;
    expect(whole).toHaveLength(2);
    const found = partsOf(wrong.reader(), 3).flatMap((part) => checkLog(wrong.reader(), { part }).findings);
    expect(new Set(found.map(({ stream }) => stream))).toEqual(new Set(whole.map(({ stream }) => stream)));
  });

  it("reads only the records of its part", async () => {
    const store = memoryEventStore();
    const recorded = log();
    for (const name of allLives) await store.append(`alloc/${name}/1`, 0, recorded.events(`alloc/${name}/1`));
    for (const part of partsOf(store, 2)) {
      let read = 0;
      const counted = new Proxy(store, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name);
          if (name !== "scanRecords") return typeof member === "function" ? member.bind(target) : member;
          return function* (take: (bytes: Buffer, position: number) => unknown, from: number) {
            for (const each of store.scanRecords(take, from)) {
              read += 1;
              yield each;
            }
          };
        },
      });
      const { events } = checkLog(counted, { part });
      expect(events).toBeGreaterThan(0);
      expect(read).toBeLessThanOrEqual(events + 1);
    }
  });

  it("finds events that were omitted, swapped, or moved to another task", () => {
    const [first, second] = ["alloc/ended/1", "alloc/stopped/1"];
    const at = (recorded: RecordedLog, stream: string, seq: number) =>
      recorded.records.findIndex((each) => each.stream === stream && each.seq === seq);

    const shortened = log();
    shortened.records.splice(at(shortened, first, 6), 1);
    expect(checkLog(shortened.reader()).findings).toMatchObject([
      { stream: first, seq: 6, defect: { kind: "end", expected: "6", found: "5" } },
    ]);

    const gap = log();
    gap.records.splice(at(gap, first, 2), 1);
    expect(checkLog(gap.reader()).findings).toMatchObject([
      { stream: first, seq: 2, defect: { kind: "sequence", expected: "2", found: "3" } },
    ]);

    const swapped = log();
    const [a, b] = [at(swapped, first, 4), at(swapped, second, 4)];
    const [one, other] = [swapped.records[a], swapped.records[b]];
    if (one === undefined || other === undefined) throw new Error("no such records");
    swapped.records[a] = { ...one, bytes: other.bytes };
    swapped.records[b] = { ...other, bytes: one.bytes };
    expect(checkLog(swapped.reader()).findings).toMatchObject([
      { stream: first, seq: 4, defect: { kind: "stream", found: second } },
      { stream: second, seq: 4, defect: { kind: "stream", found: first } },
    ]);
  });

  it("finds a stream that differs from its head, and one that has no head", () => {
    const rewritten = log();
    const { heads } = rewritten;
    heads[0] = { ...(heads[0] as (typeof heads)[number]), hash: "0".repeat(64) };
    expect(checkLog(rewritten.reader()).findings).toMatchObject([
      { seq: heads[0].version, defect: { kind: "end", expected: "0".repeat(64) } },
    ]);
    const headless = log();
    headless.heads.pop();
    expect(checkLog(headless.reader()).findings).toMatchObject([
      { stream: "alloc/lost/1", kind: "damage", defect: { kind: "end", expected: "0" } },
    ]);
  });

  it("shows both sides and the event where the machine diverges", () => {
    const recorded = log();
    const machine = {
      ...thisMachine,
      step: (...[state, each]: Parameters<typeof thisMachine.step>) => {
        const taken = thisMachine.step(state, each);
        return each.type === "stopTimedOut" ? { ...taken, effects: ["pray"] } : taken;
      },
    };
    expect(checkLog(recorded.reader(), { machine }).findings).toMatchObject([
      {
        kind: "divergence",
        stream: "alloc/killed/1",
        seq: 7,
        event: { type: "stopTimedOut", from: "stopping", to: "killing", effects: ["killRun"], data: {} },
        now: { from: "stopping", to: "killing", effects: ["pray"], accepted: true },
      },
    ]);
  });

  it("reports an event that the machine would refuse as a divergence, although it changes nothing", async () => {
    const store = memoryEventStore();
    const [requested, late] = [event("requested"), event("destroyed")];
    await store.append("s", 0, [
      { ...requested, schema: 1, from: "pending", to: "pending", effects: ["inspectHost"] },
      { ...late, schema: 1, from: "pending", to: "pending", effects: [] },
    ]);
    expect(checkLog(store).findings).toMatchObject([
      { kind: "divergence", seq: 2, now: { accepted: false } },
    ]);
  });

  it("names the event that the present machine cannot accept, and the reason", async () => {
    const store = memoryEventStore();
    const requested = { ...event("requested"), from: "pending", to: "pending", effects: ["inspectHost"] };
    await store.append("new", 0, [{ ...requested, schema: 999 }]);
    await store.append("odd", 0, [{ ...requested, schema: 1, data: { options: { args: "none" } } }]);
    await store.append("unknown", 0, [sampleEvent("x")]);
    await store.append("unknown", 1, [{ ...sampleEvent("x"), type: "teleported" }]);
    const { findings } = checkLog(store);
    expect(findings).toMatchObject([
      { kind: "unreadable", stream: "new", seq: 1, reason: expect.stringContaining("999") },
      { kind: "unreadable", stream: "odd", seq: 1, reason: expect.stringContaining("args") },
      { kind: "unreadable", stream: "unknown", seq: 1 },
    ]);
  });

  it("finds the same in events whose data it does not read, and shows their data", async () => {
    const store = memoryEventStore();
    const recorded = log();
    // After these, the check knows the steps.
    for (const { stream } of recorded.heads) await store.append(stream, 0, recorded.events(stream));
    const [requested, fingerprinted] = recorded.events("alloc/ended/1");
    if (requested === undefined || fingerprinted === undefined) throw new Error("no such events");
    await store.append("odd", 0, [{ ...requested, data: { options: { args: "none" } } }]);
    await store.append("other", 0, [requested, { ...fingerprinted, effects: ["launch"] }]);
    await store.append("wrongState", 0, [requested, { ...fingerprinted, from: "running" }]);
    const { findings } = checkLog(store);
    expect(findings).toMatchObject([
      { kind: "unreadable", stream: "odd", seq: 1, reason: expect.stringContaining("args") },
      { kind: "divergence", stream: "other", seq: 2, event: { data: fingerprinted.data } },
      { kind: "divergence", stream: "wrongState", seq: 2, event: { data: fingerprinted.data } },
    ]);
    for (const head of store.streams()) {
      const [finding] = findings.filter(({ stream }) => stream === head.stream);
      expect(checkStream(store.readRecords(head.stream), head, thisMachine)).toEqual(finding);
    }
  });

  it("ignores events that are appended while it runs", async () => {
    const store = memoryEventStore();
    const recorded = log();
    const append = (stream: string) =>
      recorded.events(stream).map((each) => store.append(stream, each.seq - 1, [each]));
    await Promise.all(append("alloc/ended/1"));
    // The check's reader lists only the streams that exist by now.
    const streams = [...store.streams()];
    await Promise.all(append("alloc/lost/1"));
    await store.append("alloc/ended/1", 6, [sampleEvent("later")]);
    let lists = 0;
    const early = new Proxy(store, {
      get: (target, name) => {
        if (name === "streams" && lists++ === 0) return () => streams;
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    expect(checkLog(early)).toEqual({ streams: 1, events: 6, findings: [], damage: [] });
  });

  it("finds an event that the index has beyond the stream's end", async () => {
    const store = memoryEventStore();
    const events = log().events("alloc/ended/1");
    await store.append("alloc/ended/1", 0, events);
    const more = new Proxy(store, {
      get: (target, name) => {
        if (name === "index")
          return () => [...(store.index() ?? []), { firstPosition: 1, seq: 7, position: 99 }];
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    expect(checkLog(store).findings).toEqual([]);
    expect(checkLog(more).findings).toMatchObject([
      { kind: "damage", seq: 6, defect: { kind: "end", expected: "6", found: "7" } },
    ]);
  });

  it("reports its progress", () => {
    const recorded = new RecordedLog();
    for (let task = 0; task < 4000; task++) recorded.add(`a/t/${task}`, life("ended"));
    const shares: number[] = [];
    checkLog(recorded.reader(), { onProgress: (done) => shares.push(done) });
    expect(shares.map((share) => Math.round(share * 10_000) / 10_000)).toEqual([0.4167, 0.8333]);
  });
});

describe("a check of one stream", () => {
  it("finds the same as a check of the log", () => {
    const recorded = log();
    recorded.flip(3, 100);
    for (const head of recorded.heads) {
      const reader = recorded.reader();
      const [finding] = checkLog(reader).findings.filter(({ stream }) => stream === head.stream);
      expect(checkStream(reader.readRecords(head.stream), head, thisMachine)).toEqual(finding);
    }
  });
});
