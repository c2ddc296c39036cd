/** What `why` says of a task that runs according to its events. */
import { expect, it } from "vitest";
import { bootId, processIdentity } from "../../../src/effects/processes/processIdentity.ts";
import { History } from "../../../src/history/replay/history.ts";
import { explain } from "../../../src/history/why/explain.ts";
import { asOnHost } from "../../../src/history/why/presence.ts";
import { event, numberedId } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

const own = processIdentity(process.pid);

function explained(started: Parameters<typeof event<"started">>[1], ...more: ReturnType<typeof event>[]) {
  const id = numberedId(1);
  const life = [event("requested"), event("fingerprinted"), event("sandboxed"), event("started", started)];
  const history = new History(id, new RecordedLog().add(id, [...life, ...more]).events(id));
  const { state, sentences } = asOnHost(explain(history), history);
  return { state, last: sentences.at(-1)?.text };
}

it("a task whose init is there runs", () => {
  const { state, last } = explained({ bootId: bootId(), init: own });
  expect(state).toBe("running");
  expect(last).toMatch(/^According to its events, it has been running as pid/);
});

it.each([
  ["whose init is not there", { bootId: bootId(), init: { ...own, startTicks: own.startTicks + 1 } }],
  ["of an earlier boot", { bootId: "an earlier one", init: own }],
])("a task %s is gone, as for ps", (_, started) => {
  expect(explained(started)).toEqual({
    state: "gone",
    last: "It does not run on this host: no plugin has seen its end",
  });
});

it("a task that has ended is not gone", () => {
  expect(explained({ bootId: "an earlier one", init: own }, event("exited")).state).toBe("exited");
});
