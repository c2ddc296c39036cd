/** The search in the events of all tasks. */
import { describe, expect, it } from "vitest";
import { searchEvents } from "../../src/inspector/server/eventSearch.ts";
import type { EventHit } from "../../src/inspector/views/answers.ts";
import { life, requestWith } from "../support/history/history.ts";
import { RecordedLog } from "../support/history/recordedLog.ts";
import { idOf } from "../support/screen/inspector.ts";

async function found(log: RecordedLog, words: string, type = "", isWanted = () => true): Promise<EventHit[]> {
  const hits: EventHit[] = [];
  for (let from: string | null = ""; from !== null; ) {
    const answer = await searchEvents([log.reader()], { words, type, from }, isWanted);
    hits.push(...answer.hits);
    from = isWanted() ? answer.next : null;
  }
  return hits;
}

describe("the search in events", () => {
  const log = new RecordedLog();
  for (let number = 0; number < 150; number++) log.add(idOf(number), life("killed"));
  log.add(idOf(150), [requestWith({ args: ["correct-horse"] })]);

  it("finds all events whose shown text or data has all words, the newest first, each once", async () => {
    const hits = await found(log, "sigkill DELIVERED");
    expect(hits).toHaveLength(150);
    expect(hits[0]).toMatchObject({ id: idOf(149), seq: 8, type: "forceKilled", title: "Killed" });
    expect(hits.map(({ id }) => id)).toEqual(Array.from({ length: 150 }, (_, index) => idOf(149 - index)));
    expect(await found(log, "80001 /etc/mime.types")).toHaveLength(151);
  });

  it("finds events of a type, with words or without", async () => {
    expect(await found(log, "", "exited")).toHaveLength(150);
    expect(await found(log, `${idOf(7)} exit`, "exited")).toHaveLength(1);
  });

  it("does not find masked values", async () => {
    expect(await found(log, "correct-horse")).toEqual([]);
  });

  it("ends when its client has gone", async () => {
    expect(await found(log, "sigkill", "", () => false)).toEqual([]);
  });

  it.each(["x", "0:x", "99:1", "-1:5", "0:-3"])("accepts any place to continue from: %s", async (from) => {
    const { hits, next } = await searchEvents(
      [log.reader()],
      { words: "nothing has this", type: "", from },
      () => true,
    );
    expect(hits).toEqual([]);
    expect(next === null || /^\d+:\d+$/.test(next)).toBe(true);
  });
});
