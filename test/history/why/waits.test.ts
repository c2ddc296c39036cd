/** The sentence on what a task's threads waited in right before it was killed. */
import { expect, it } from "vitest";
import type { Fact } from "../../../src/history/why/facts.ts";
import { waitSentences } from "../../../src/history/why/waits.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { event } from "../../support/history/history.ts";

type Thread = NonNullable<EventData<"forceKilled">["waits"]>["threads"][number];

function text(threads: readonly Partial<Thread>[], more = 0): string | undefined {
  const whole = threads.map((each, index) => ({
    ...{ pid: 7, thread: 7 + index, program: "app", state: "S", call: "futex", wait: "futex_wait_queue" },
    ...{ stack: [], ...each },
  }));
  const killed = {
    ...event("forceKilled", { waits: { threads: whole, more } }),
    seq: 9,
  } as Fact<"forceKilled">;
  const [sentence] = waitSentences(killed);
  expect(sentence?.events ?? [9]).toEqual([9]);
  return sentence?.text;
}

it.each<[string, readonly Partial<Thread>[], number?]>([
  ["its thread waited in futex", [{}]],
  ["both threads waited in futex, as in a deadlock", [{}, {}]],
  ["all 3 threads waited in futex, as in a deadlock", [{}, {}, {}]],
  ["both threads waited in read", [{ call: "read" }, { call: "read" }]],
  ["of 3 threads, 2 waited in futex, 1 ran", [{}, {}, { state: "R", call: null, wait: null }]],
  ["its thread ran", [{ state: "R", call: null, wait: null }]],
  ["its thread was stopped", [{ state: "T" }]],
  ["its thread waited in the kernel (do_exit)", [{ call: null, wait: "do_exit" }]],
  ["its thread waited in the kernel", [{ call: null, wait: null }]],
  [
    "its thread waited in read without heeding signals (nfs_wait)",
    [{ state: "D", call: "read", wait: null, stack: ["nfs_wait", "rpc_wait"] }],
  ],
  [
    "the thread of sh (7) waited in wait4; both threads of app (8) waited in futex, as in a deadlock",
    [{ program: "sh", call: "wait4" }, { pid: 8 }, { pid: 8 }],
  ],
  ["its thread waited in futex; 3 further threads not looked at", [{}], 3],
])("says that %s", (expected, threads, more) => {
  expect(text(threads, more)).toBe(`Right before, ${expected}`);
});

it("says nothing of a kill without such a record, and of threads that nobody could look at", () => {
  expect(text([])).toBeUndefined();
  expect(
    waitSentences({ ...event("forceKilled", { waits: undefined }), seq: 9 } as Fact<"forceKilled">),
  ).toEqual([]);
  expect(waitSentences(undefined)).toEqual([]);
});

it("names some processes, and counts the threads of the others", () => {
  const threads = Array.from({ length: 9 }, (_, index) => ({ pid: index, program: null }));
  expect(text(threads)).toMatch(/of process \(3\) waited in futex; 5 further threads not looked at$/);
});
