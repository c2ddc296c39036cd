/** How far the record of an observed run tells what it used. */
import { expect, it } from "vitest";
import { observedRun } from "../../../src/history/policy/observedRun.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event, life } from "../../support/history/history.ts";

const gapsOf = (...observed: readonly Partial<EventData<"observed">>[]) => {
  const events = [...life("ended").slice(0, 4), ...observed.map((each) => event("observed", each))];
  const stored = events.map((each) => ({ ...each, stream: "run" }));
  return observedRun(fold(events).context, stored)?.gaps;
};

it("a run is wholly known if nothing was lost, missed, or before", () => {
  expect(gapsOf({})).toEqual([]);
  expect(gapsOf({ isLast: false }, {})).toEqual([]);
  expect(gapsOf({ isLast: false })).toEqual(["it had not ended"]);
  expect(gapsOf({ fromStart: false })).toEqual(["its plugin was restarted meanwhile"]);
});

it("counts that each event has from the begin are counted once for each watch", () => {
  expect(gapsOf({ lost: 3, isLast: false }, { lost: 5 })).toEqual(["5 of its uses are missing"]);
  expect(gapsOf({ lost: 3, since: 1 }, { lost: 5, since: 2 })).toEqual(["8 of its uses are missing"]);
});

it("a call that the kernel has missed may have been the run's", () => {
  expect(gapsOf({ missed: 1 })).toEqual(["the kernel missed 1 call of its node meanwhile"]);
});
