/** Checks recorded histories with the present state machine and with broken ones. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadBundle } from "../../../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../../../src/history/replay/check/checkLog.ts";
import { loadMachine } from "../../../../src/history/replay/check/loadMachine.ts";
import { eventTypes } from "../../../support/history/history.ts";
import { asItIs, machineVariant } from "../../../support/history/machineVariant.ts";

const folder = join(import.meta.dirname, "../../../fixtures/histories");
const bundles = await Promise.all(
  readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => loadBundle(join(folder, name))),
);

/** The findings of a machine for all recorded histories, with task and event. */
async function findings(change: (source: string) => string) {
  const machine = await loadMachine(await machineVariant(change));
  return bundles.flatMap(({ reader }) =>
    checkLog(reader, { machine }).findings.map((finding) => ({
      ...finding,
      task: finding.stream.split("/")[1],
      type: "event" in finding ? finding.event.type : undefined,
    })),
  );
}

describe("recorded histories", () => {
  it("are the same when the present machine folds them", () => {
    expect(bundles.length).toBeGreaterThan(1);
    for (const { reader, header } of bundles) {
      expect(header.streams.length).toBeGreaterThan(0);
      expect(checkLog(reader).findings).toEqual([]);
    }
  });

  it("contain every type of event", () => {
    const types = new Set(bundles.flatMap(({ reader }) => Array.from(reader.readAll(), ({ type }) => type)));
    expect([...types].sort()).toEqual([...eventTypes].sort());
  });

  it("have the same result with a machine that was built from the same sources", async () => {
    expect(await findings(asItIs)).toEqual([]);
  });
});

describe("a broken machine", () => {
  it("is detected if a transition was dropped", async () => {
    const dropped = await findings((source) => source.replace(/, stopTimedOut: \{[^}]*\}/, ""));
    expect(dropped).toMatchObject([
      { kind: "divergence", task: "resists", type: "stopTimedOut", now: { accepted: false, to: "stopping" } },
    ]);
  });

  it.each([
    ["adopted", 1],
    ["oomSeen", 1],
    ["stalled", 1],
    ["diskFilled", 1],
    ["observed", 1],
    ["wouldDeny", 1],
    ["denied", 3],
    ["execStarted", 7],
    ["execExited", 7],
    ["execsRepeated", 2],
    ["operated", 1],
  ])("is detected if it drops %s", async (type, tasks) => {
    const dropped = await findings((source) => source.replace(new RegExp(`\\n *${type}: [^\\n]*`), ""));
    expect(dropped).toHaveLength(tasks);
    for (const finding of dropped)
      expect(finding).toMatchObject({ kind: "divergence", type, now: { accepted: false } });
  });

  it("is detected if a guard is inverted, and not if the guard always holds", async () => {
    const guarded = (guard: string) => (source: string) =>
      source.replace('exited: { target: "exited", ', `exited: { target: "exited", guard: ${guard}, `);
    expect(await findings(guarded("({ context }) => context.process !== null"))).toEqual([]);
    const inverted = await findings(guarded("({ context }) => context.process === null"));
    const exited = [
      "changes-hands",
      "copy",
      "crashes",
      "denied-a-file",
      "denied-often",
      "fails",
      "is-destroyed",
      "main",
      "main",
      "main",
      "resists",
    ];
    exited.push("is-checked", "is-not-checked", "keeps-output", "loses-output", "stops", "succeeds");
    // The stop commands.
    exited.push("fails", "hangs", "succeeds");
    // The tasks whose journald is killed.
    exited.push("loses", "survives");
    // The tasks that stall, have a full disk, are observed, are worked at by operators, and get another egress.
    exited.push("compete", "main", "main", "task", "task");
    expect(inverted.map(({ task }) => task).sort()).toEqual(exited.sort());
    for (const finding of inverted) {
      expect(finding).toMatchObject({ kind: "divergence", type: "exited", now: { accepted: false } });
    }
  });

  it("is detected if it names other effects, or the same effects in another order", async () => {
    const silent = await findings((source) => source.replace('killing: { entry: ["killRun"],', "killing: {"));
    expect(silent.map(({ task }) => task).sort()).toEqual(["is-destroyed", "resists"]);
    const other = await findings((source) =>
      source.replace('["sendStopSignal", "startKillTimer"]', '["startKillTimer", "sendStopSignal"]'),
    );
    expect(other.map(({ task, type }) => [task, type]).sort()).toEqual([
      ["fails", "stopRequested"],
      ["hangs", "stopRequested"],
      ["main", "stopRequested"],
      ["resists", "stopRequested"],
      ["stops", "stopRequested"],
      ["succeeds", "stopRequested"],
    ]);
  });

  it("is detected if a transition leads to another state", async () => {
    const found = await findings((source) =>
      source.replace('lost: { target: "lost"', 'lost: { target: "exited"'),
    );
    expect(found).toMatchObject([
      { task: "is-lost", type: "lost", event: { to: "lost" }, now: { to: "exited" } },
    ]);
  });
});
