/** What a run is denied last is recorded before its task is forgotten. */
import { Subscription } from "rxjs";
import { expect, test } from "vitest";
import type { DeniedRun, NodeDenials } from "../../../src/driver/denials/nodeDenials.ts";
import { RunDenials } from "../../../src/driver/denials/runDenials.ts";
import type { RecordedTask } from "../../../src/driver/history/recordedTask.ts";
import { processIdentity } from "../../../src/effects/processes/processIdentity.ts";
import type { DenialHistory } from "../../../src/machines/events/denied.ts";

const none: DenialHistory = { refusals: [], others: 0, lost: 0, domains: [] };
const denial = {
  ...{ blockers: ["fs.read_file"], object: "/etc/passwd", request: null, program: "/bin/cat" },
  ...{ pid: 10, timeMs: 1_000, domain: "d" },
};

/** @param last what arrives between the run's end and its being forgotten */
async function finished(last: (run: DeniedRun) => void): Promise<(readonly [string, unknown])[]> {
  const done: (readonly [string, unknown])[] = [];
  const self = processIdentity(process.pid);
  const sandbox = {
    unrecordedDenials: null,
    egress: null,
    uid: 80_001,
    user: "nomad-80001",
    runCgroup: null,
  };
  const context = { sandbox, process: { init: self, task: self }, denials: none, names: [], request: null };
  const task = {
    id: "alloc/web/0123abcd",
    snapshot: { context },
    record: async (type: string, data: unknown) => done.push([type, data]) > 0,
  } as unknown as RecordedTask;
  const all = {
    ...{ add: () => undefined, tracker: { addDomain: () => undefined, addProcess: () => undefined } },
    finish: async (run: DeniedRun) => last(run),
    remove: () => done.push(["removed", undefined]),
  } as unknown as NodeDenials;
  const services = () => ({ denials: all });
  const denials = new RunDenials({ task, services, watching: new Subscription() });
  denials.begin();
  await denials.finish();
  return done;
}

test("denials whose records come after the run's end", async () => {
  const refusal = expect.objectContaining({ object: "/etc/passwd", count: 2 });
  const recorded = await finished((run) => {
    run.denied(denial);
    run.denied(denial);
  });
  expect(recorded).toEqual([
    ["removed", undefined],
    ["denied", expect.objectContaining({ refusals: [refusal], lost: 0 })],
  ]);
});

test("what the kernel counted without a record", async () => {
  expect(await finished((run) => run.lost(80))).toEqual([
    ["removed", undefined],
    ["denied", expect.objectContaining({ refusals: [], lost: 80 })],
  ]);
});

test("nothing, if nothing came", async () => {
  expect(await finished(() => undefined)).toEqual([["removed", undefined]]);
});
