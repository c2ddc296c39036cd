import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { History } from "../../../src/history/replay/history.ts";
import { differs, diffHistories, isInput } from "../../../src/history/replay/historyDiff.ts";
import { maskEvent } from "../../../src/history/replay/mask.ts";
import { eventCatalogue, eventTypes, type TaskEvent } from "../../../src/machines/events.ts";
import { allLives, event, life, requestWith, sampleData } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const secret = "marker-7c1f";

function historyOf(events: readonly TaskEvent[], stream = "6f2d4a9e/web/1"): History {
  return new History(stream, new RecordedLog().add(stream, events).events(stream));
}

/** The same run as another allocation of the job on this host would have recorded it. */
function elsewhere(events: readonly TaskEvent[]): TaskEvent[] {
  const { allocId, allocDir, user } = sampleData("requested");
  const text = JSON.stringify(events)
    .replaceAll(allocDir, "/srv/nomad/alloc/91c07b3d")
    .replaceAll(allocId, "91c07b3d-1111-4222-8333-444455556666")
    .replaceAll(user, "nomad-81234")
    .replaceAll('"pid":', '"pid":7')
    .replaceAll('"startTicks":', '"startTicks":8')
    .replaceAll('"uid":80001', '"uid":81234')
    .replaceAll('"gid":80001', '"gid":81234')
    .replaceAll('"bootId":"b0"', '"bootId":"b1"')
    .replaceAll('"endedAt":', '"endedAt":1')
    .replaceAll('"runFolder":"', '"runFolder":"/other')
    .replaceAll('"envDigest":"', '"envDigest":"ff')
    .replaceAll("/sys/fs/cgroup/x.scope", "/sys/fs/cgroup/y.scope");
  return JSON.parse(text);
}

const begun = () => life("ended").slice(0, 3);
const types = (events: readonly TaskEvent[]) => events.map(({ type }) => type);

describe("two histories", () => {
  it.each(allLives)("with the same course (%s) are equal, whatever differs between any two runs", (name) => {
    const diff = diffHistories(historyOf(life(name)), historyOf(elsewhere(life(name))));
    expect(diff.rows.filter(differs)).toEqual([]);
    expect(diff).toMatchObject({ same: true, divergence: undefined });
  });

  it("are aligned by type, and diverge at the first event that only one of them has", () => {
    const failed = [...life("failed")];
    const { rows, divergence, same } = diffHistories(historyOf(life("ended")), historyOf(failed));
    expect(rows.map(({ left, right }) => [left?.seq, right?.seq])).toEqual([
      [1, 1],
      [2, 2],
      [3, undefined],
      [4, undefined],
      [5, undefined],
      [undefined, 3],
      [6, 4],
    ]);
    expect(divergence).toBe(rows[2]);
    // Both tasks end as destroyed, but only one of them had failed before.
    expect(rows.at(-1)).toMatchObject({ sameStep: false, changes: [] });
    expect(same).toBe(false);
  });

  it("diverge where their events differ, not where only their input differs", () => {
    const [left, right] = [3, 0].map((exitCode) => {
      const unveil = exitCode === 0 ? ["r:/etc/mime.types", "r:/srv/x"] : ["r:/etc/mime.types"];
      return historyOf([
        requestWith({ unveil }),
        ...life("ended").slice(1, 4),
        event("exited", { exitCode }),
      ]);
    }) as [History, History];
    const { rows, divergence } = diffHistories(left, right);
    expect(rows.filter(isInput)).toHaveLength(3);
    expect(rows[0]?.changes).toEqual([{ path: ["options", "unveil"], before: undefined, after: "r:/srv/x" }]);
    expect(divergence).toMatchObject({
      left: { seq: 5 },
      right: { seq: 5 },
      sameStep: true,
      changes: [{ path: ["exitCode"], before: 3, after: 0 }],
    });
  });

  it("have the duration of each step, and its ratio to the other's", () => {
    const at = (times: readonly number[]) =>
      historyOf([...begun(), event("started")].map((each, index) => ({ ...each, time: times[index] ?? 0 })));
    const { rows } = diffHistories(at([100, 110, 110, 120]), at([200, 225, 230, 225]));
    expect(rows.map(({ spans, ratio }) => [spans.left, spans.right, ratio])).toEqual([
      [undefined, undefined, undefined],
      [10, 25, 2.5],
      [0, 5, undefined],
      [10, -5, undefined],
    ]);
  });

  it("have durations since the last event that both have, if one has further events in between", () => {
    const one = [...begun(), event("started"), event("exited")];
    const other = [...begun(), event("started"), event("oomSeen"), event("exited")];
    const timed = (events: readonly TaskEvent[], last: number) =>
      historyOf(events.map((each, index) => ({ ...each, time: index < events.length - 1 ? index : last })));
    const { rows } = diffHistories(timed(one, 103), timed(other, 203));
    expect(rows.slice(4).map(({ spans, ratio }) => [spans, ratio])).toEqual([
      [{ left: undefined, right: 1 }, undefined],
      [{ left: 100, right: 200 }, 2],
    ]);
  });

  it("differ in arguments without showing them, and do not differ if one side was exported masked", () => {
    const asked = (args: readonly string[]) => [requestWith({ args: [...args] }), ...begun().slice(1)];
    const [one, other] = [historyOf(asked(["-c", secret])), historyOf(asked(["-c", `${secret}2`]))];
    const masked = diffHistories(one, other);
    expect(masked.same).toBe(false);
    expect(masked.rows[0]?.changes).toEqual([
      { path: ["options", "args"], before: "…", after: undefined },
      { path: ["options", "args"], before: undefined, after: "…" },
    ]);
    expect(JSON.stringify(masked.rows)).not.toContain(secret);
    expect(JSON.stringify(masked.left.events)).not.toContain(secret);
    const shown = diffHistories(one, other, { showArgs: true });
    expect(shown.rows[0]?.changes[0]).toEqual({
      path: ["options", "args"],
      before: secret,
      after: undefined,
    });
    const exported = new History(one.stream, one.events.map(maskEvent));
    expect(diffHistories(exported, other).same).toBe(true);
    expect(diffHistories(other, exported).same).toBe(true);
  });

  it("of an earlier schema are compared after their upcast, and unreadable events as they are stored", () => {
    const [first, ...rest] = life("lost");
    const older = new RecordedLog().add("a/web/1", [first as TaskEvent, ...rest]).events("a/web/1");
    const unread = older.map((each) => (each.type === "lost" ? { ...each, type: "vanished" } : each));
    const { rows } = diffHistories(new History("a/web/1", older), new History("a/web/1", unread));
    expect(rows.filter(differs).map(({ left, right }) => [left?.stored.type, right?.stored.type])).toEqual([
      ["lost", undefined],
      [undefined, "vanished"],
    ]);
  });

  it("lose no event and keep their order, and the comparison is the same from either side", () => {
    const lives = fc.constantFrom(...allLives).map((name) => life(name));
    const cut = fc.tuple(lives, fc.nat({ max: 10 })).map(([events, length]) => events.slice(0, length));
    fc.assert(
      fc.property(cut, cut, (one, other) => {
        const there = diffHistories(historyOf(one), historyOf(other));
        const back = diffHistories(historyOf(other), historyOf(one));
        expect(there.rows.flatMap(({ left }) => left?.stored.type ?? [])).toEqual(types(one));
        expect(there.rows.flatMap(({ right }) => right?.stored.type ?? [])).toEqual(types(other));
        expect(there.same).toBe(back.same);
        expect(there.same).toBe(JSON.stringify(types(one)) === JSON.stringify(types(other)));
      }),
    );
  });
});

it.each(eventTypes)("every ignored field of %s exists", (type) => {
  const oom = { kills: 1, limitBytes: null, peakBytes: null };
  const cause = {
    grade: "witnessed",
    kind: "denied",
    text: "it was denied reading /etc/x",
    line: null,
  } as const;
  const blackBox = { missed: [], calls: [], signals: [], crash: null };
  const used = { bytes: 4096, files: 1 };
  const limit = { limitBytes: 2 ** 20, project: 1, sharedProject: 2 };
  const kept = { stdout: "", stderr: "failed" };
  const whole =
    type === "exited"
      ? event("exited", { oom, cause, blackBox, disk: used, kept, changes: ["user differs"] })
      : type === "sandboxed"
        ? event("sandboxed", { disk: limit })
        : event(type);
  for (const path of eventCatalogue[type].fields.ignored) {
    const [field = "", ...inner] = path.split(".");
    const inList = Array.isArray(whole.data[field as keyof typeof whole.data]);
    expect(whole.data, path).toHaveProperty(inList ? [field, 0, ...inner] : path);
  }
});
