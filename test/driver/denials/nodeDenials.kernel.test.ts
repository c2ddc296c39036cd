/** A denial without a known domain is assigned by what /proc says, and pids may have been reused meanwhile. */
import { expect, test } from "vitest";
import { NodeDenials } from "../../../src/driver/denials/nodeDenials.ts";
import { processIdentity, startedAt } from "../../../src/effects/processes/processIdentity.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const init = processIdentity(process.pid);
const begun = startedAt(init);
/** No process has this pid: it is above the kernel's limit. */
const noPid = 2 ** 22 + 1;

/** @returns a function that tells whether a refused call is counted as the run's */
function watched(traits: { startTicks?: number; sinceMs?: number; endedMs?: number; isRemoved?: boolean }) {
  const denials = new NodeDenials(recordingLogger());
  let count = 0;
  const run = { denied: () => void count++, lost: () => undefined };
  const { startTicks = init.startTicks, sinceMs = 0, endedMs } = traits;
  const owner = { uid: 80_001, user: "nomad-80001", runCgroup: null };
  denials.add(run, { ...owner, init: { pid: init.pid, startTicks }, sinceMs });
  if (endedMs !== undefined) denials.ended(run, endedMs);
  if (traits.isRemoved) {
    denials.remove(run);
    denials.add(run, { ...owner, init, sinceMs });
  }
  return (call: { pid: number; uid?: number; timeMs?: number }) => {
    const before = count;
    const { pid, uid = 80_001, timeMs = Date.now() } = call;
    denials.tracker.take({
      ...{ kind: "filtered", serial: 1, timeMs, pid, uid, parent: undefined },
      ...{ program: "/bin/mount", blocker: "seccomp.mount" },
    });
    return count > before;
  };
}

test("a call of a process in the namespace of the run's init is the run's", () => {
  const isCounted = watched({});
  expect(isCounted({ pid: process.pid })).toBe(true);
  expect(isCounted({ pid: process.ppid })).toBe(true);
});

test("if another process has the pid of the run's init, calls in its namespace are not the run's", () => {
  const isCounted = watched({ startTicks: init.startTicks + 1 });
  expect(isCounted({ pid: process.ppid, uid: 0 })).toBe(false);
});

test("a call that was made before the process began was another's, which had the pid before", () => {
  const isCounted = watched({});
  expect(isCounted({ pid: process.pid, timeMs: begun - 5_000 })).toBe(false);
  expect(isCounted({ pid: process.pid, uid: 0, timeMs: begun })).toBe(false);
  expect(isCounted({ pid: process.pid, uid: 0, timeMs: begun + 500 })).toBe(true);
});

test("a call of a process that is gone is that of the run of its user, unless the run had ended before", () => {
  const endedMs = Date.now();
  const isCounted = watched({ endedMs });
  expect(isCounted({ pid: noPid, timeMs: endedMs - 1_000 })).toBe(true);
  expect(isCounted({ pid: noPid, timeMs: endedMs + 1 })).toBe(false);
});

test("a call of a process that is gone is not that of its user's next run, which began later", () => {
  const sinceMs = Date.now();
  const isCounted = watched({ sinceMs });
  expect(isCounted({ pid: noPid, timeMs: sinceMs - 1 })).toBe(false);
  expect(isCounted({ pid: noPid, timeMs: sinceMs })).toBe(true);
});

test("it is nobody's if the user's earlier run had not ended yet", () => {
  const endedMs = Date.now();
  const isCounted = watched({ sinceMs: endedMs - 10, endedMs, isRemoved: true });
  expect(isCounted({ pid: noPid, timeMs: endedMs - 5 })).toBe(false);
  expect(isCounted({ pid: noPid, timeMs: endedMs + 5 })).toBe(true);
});
