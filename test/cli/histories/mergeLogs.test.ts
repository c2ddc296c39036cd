import fc from "fast-check";
import { expect, it } from "vitest";
import { mergeLogs } from "../../../src/cli/histories/mergeLogs.ts";
import type { StoredEvent } from "../../../src/store/eventStore.ts";

/** A log whose events have these times. */
function log(stream: string, ...times: number[]): StoredEvent[] {
  return times.map((time, index) => ({ stream, seq: index + 1, position: index + 1, time }) as StoredEvent);
}

const order = (events: readonly StoredEvent[]) => events.map(({ stream, seq }) => `${stream}${seq}`);

it("the events of several logs are merged by time", () => {
  expect(order(mergeLogs([log("a", 1, 5, 6), log("b", 2, 3, 9)]))).toEqual([
    "a1",
    "b1",
    "b2",
    "a2",
    "a3",
    "b3",
  ]);
  expect(mergeLogs([])).toEqual([]);
});

it("the events of each log keep their order when the clock was set back", () => {
  expect(order(mergeLogs([log("a", 100, 3, 4), log("b", 50)]))).toEqual(["b1", "a1", "a2", "a3"]);
});

it("no event is lost, and every log keeps its order, whatever the times", () => {
  const times = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 20 });
  fc.assert(
    fc.property(fc.array(times, { maxLength: 4 }), (all) => {
      const logs = all.map((each, index) => log(String.fromCharCode(97 + index), ...each));
      const merged = mergeLogs(logs);
      expect(merged).toHaveLength(logs.flat().length);
      for (const each of logs) {
        expect(merged.filter(({ stream }) => stream === each[0]?.stream)).toEqual(each);
      }
    }),
  );
});
