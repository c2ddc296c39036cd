import { describe, expect, it } from "vitest";
import { toTaskEvent } from "../../../src/driver/history/storedEvents.ts";
import { EVENT_SCHEMA_VERSION, parseTaskEvent } from "../../../src/machines/events.ts";
import { fold, initialSnapshot, step, type TaskSnapshot } from "../../../src/machines/fold.ts";
import type { EventReader } from "../../../src/store/eventStore.ts";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { earlierLog, earlierVersions } from "../../support/history/earlierLogs.ts";
import { findDefect } from "../../support/history/findDefect.ts";

/** The lives of the tasks that scripts/recordEventLog.ts runs. */
const lives: Readonly<Record<string, { readonly state: string; readonly context: object }>> = {
  succeeds: { state: "destroyed", context: { exit: { exitCode: 0, signal: 0 }, stop: null } },
  fails: { state: "destroyed", context: { exit: { exitCode: 7, signal: 0 } } },
  crashes: { state: "destroyed", context: { exit: { exitCode: 139, signal: 11 } } },
  stops: { state: "destroyed", context: { exit: { signal: 2 }, stop: { signal: 2, timedOut: false } } },
  resists: {
    state: "destroyed",
    context: { exit: { signal: 9 }, stop: { timedOut: true }, forceKilled: true },
  },
  "changes-hands": { state: "destroyed", context: { exit: { exitCode: 3 }, recoveries: 1 } },
  "is-refused": {
    state: "failed",
    context: {
      failure: {
        code: "COMMAND_NOT_FOUND",
        message: expect.stringMatching(/ not found: looked for .*Install/),
      },
      exit: null,
    },
  },
};

it("every earlier version has a recorded log", () => {
  const earlier = Array.from({ length: EVENT_SCHEMA_VERSION - 1 }, (_, index) => index + 1);
  expect(earlierVersions).toEqual(expect.arrayContaining(earlier));
});

describe.each(earlierVersions)("a log of schema version %i", (version) => {
  it("is intact, and the present schemas accept its events", async () => {
    const log = await openEventReader(earlierLog(version));
    const heads = [...log.streams()];
    expect(heads).toHaveLength(Object.keys(lives).length);
    for (const head of heads) {
      expect(findDefect(log.readRecords(head.stream), head)).toBeUndefined();
      for (const stored of log.readStream(head.stream)) {
        expect(stored.schema).toBe(version);
        const event = toTaskEvent(stored);
        expect(parseTaskEvent(event.type, event.time, event.data)).toEqual(event);
      }
    }
    await log.close();
  });

  it("has the recorded states when the present machine folds it", async () => {
    const log = await openEventReader(earlierLog(version));
    for (const { stream } of log.streams()) {
      let snapshot = initialSnapshot;
      for (const stored of log.readStream(stream)) {
        const taken = step(snapshot, toTaskEvent(stored));
        expect(taken).toMatchObject({ accepted: true, from: stored.from, to: stored.to });
        snapshot = taken.snapshot;
      }
    }
    const ends = snapshotsOf(log);
    expect(Object.keys(ends).sort()).toEqual(Object.keys(lives).sort());
    for (const [task, { state, context }] of Object.entries(lives)) {
      const snapshot = ends[task] as TaskSnapshot;
      expect(snapshot.value).toBe(state);
      expect(snapshot.context).toMatchObject(context);
    }
    await log.close();
  });

  it("can be continued", async () => {
    const log = await openEventStore(earlierLog(version));
    const [head] = [...log.streams()];
    const [event] = head ? [...log.readStream(head.stream)] : [];
    if (head === undefined || event === undefined) throw new Error("the log is empty");
    await log.append(head.stream, head.version, [{ ...event, schema: EVENT_SCHEMA_VERSION }]);
    const [longer = head] = [...log.streams()];
    expect(longer).toMatchObject({ stream: head.stream, version: head.version + 1 });
    expect(findDefect(log.readRecords(head.stream), longer)).toBeUndefined();
    await log.close();
  });
});

/** The last snapshots of the tasks, by name. */
function snapshotsOf(log: EventReader): Record<string, TaskSnapshot> {
  const streams = Array.from(log.streams(), ({ stream }) => stream);
  return Object.fromEntries(
    streams.map((stream) => [stream.split("/")[1], fold([...log.readStream(stream)].map(toTaskEvent))]),
  );
}
