/** `replay --check` of a log so long that several processes share the check. */
import { expect, it } from "vitest";
import { EVENT_SCHEMA_VERSION } from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import type { EventToAppend } from "../../../src/store/eventStore.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { event, life, numberedId } from "../../support/history/history.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

const tasks = 20;
const signals = 10_000;

/** A long life, whose last event is not what the machine makes of it. */
function wrongLife(): EventToAppend[] {
  let snapshot = initialSnapshot;
  const whole = life("ended");
  const repeated = Array.from({ length: signals }, () => event("execsRepeated"));
  const events = [...whole.slice(0, 4), ...repeated, ...whole.slice(4)].map((each) => {
    const { snapshot: after, from, to, effects } = step(snapshot, each);
    snapshot = after;
    return { ...each, schema: EVENT_SCHEMA_VERSION, from, to, effects };
  });
  return events.map((each, index) => (index === events.length - 1 ? { ...each, effects: ["launch"] } : each));
}

it("a check that several processes share finds what each of them finds", { timeout: 300_000 }, async () => {
  const stateDir = temporaryFolder();
  const store = await openEventStore(stateFolderPaths(stateDir).events);
  const names = Array.from({ length: tasks }, (_, index) => numberedId(index));
  const events = wrongLife();
  for (const name of names) await store.append(name, 0, events);
  await store.close();
  const check = async (...options: string[]) => {
    const { code, stdout, stderr } = await call([
      "replay",
      "--check",
      "--json",
      "--state-dir",
      stateDir,
      ...options,
    ]);
    return { code, stderr, report: JSON.parse(stdout) as { events: number; findings: { stream: string }[] } };
  };

  const { code, stderr, report } = await check();
  expect({ code, stderr, events: report.events }).toEqual({
    code: 1,
    stderr: "",
    events: tasks * events.length,
  });
  expect(report.findings.map(({ stream }) => stream)).toEqual(names.sort());
  // The parts of two processes: half of the streams each, which follow each other in the log.
  const middle = (tasks / 2) * events.length + 1;
  const parts = await Promise.all([check("--parts", `0-${middle}`), check("--parts", `${middle}-`)]);
  for (const part of parts) expect(part.report.findings).toHaveLength(tasks / 2);
});
