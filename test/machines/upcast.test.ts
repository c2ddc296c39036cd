import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadBundle } from "../../src/history/replay/bundle/loadBundle.ts";
import { checkLog } from "../../src/history/replay/check/checkLog.ts";
import { loadMachine } from "../../src/history/replay/check/loadMachine.ts";
import { EVENT_SCHEMA_VERSION, upcast, withAdditions } from "../../src/machines/events.ts";
import type { MachineVersion } from "../../src/machines/machineVersion.ts";
import { sampleData } from "../support/history/history.ts";
import { machineVariant } from "../support/history/machineVariant.ts";

const place = { stream: "alloc/web/1", seq: 3, type: "exited" };

describe("an event of an earlier version", () => {
  it("keeps its fields, and gets defaults for fields that its version lacked, at any depth", () => {
    const added = { caps: [], resources: { limits: { files: 0 }, cgroup: "unknown" } };
    const data = { user: "web", resources: { cgroup: "/x" } };
    expect(withAdditions(data, added)).toEqual({
      user: "web",
      caps: [],
      resources: { cgroup: "/x", limits: { files: 0 } },
    });
    expect(data).toEqual({ user: "web", resources: { cgroup: "/x" } });
  });

  it("keeps null, which is a value", () => {
    expect(withAdditions({ workDir: null }, { workDir: "/" })).toEqual({ workDir: null });
    expect(withAdditions({ network: null }, { network: { mode: "host" } })).toEqual({ network: null });
  });
});

/** The present version has no earlier one. So a later version is made up, with two changes of one event. */
describe("a later version", () => {
  const reason = "the host was rebooted";
  const reading = async () => {
    const later = await laterMachine();
    return (schema: number, data: object, type = "lost") =>
      later.readEvent({ ...place, type, schema, data, time: 1 }).data;
  };

  it("reads events of all earlier versions, with values for the fields that they lack", async () => {
    const read = await reading();
    expect(read(1, { reason })).toEqual({ reason, seenBy: null, place: { rack: "unknown", row: 0 } });
    const second = { reason, seenBy: "node-1", place: { rack: "7" } };
    expect(read(2, second)).toEqual({ ...second, place: { rack: "7", row: 0 } });
    const third = { reason, seenBy: null, place: { rack: "7", row: 3 } };
    expect(read(3, third)).toEqual(third);
    expect(read(1, sampleData("exited"), "exited")).toEqual(sampleData("exited"));
  });

  it("adds only the fields of later versions, so that an event that lacks others is invalid", async () => {
    const read = await reading();
    expect(() => read(2, { reason })).toThrow(/seenBy/);
    expect(() => read(1, { reason }, "constructor")).toThrow(/Invalid option/);
  });

  it("goes through the same states and effects as this version in every recorded history", async () => {
    const machine = await laterMachine();
    expect(machine.schema).toBe(3);
    const folder = join(import.meta.dirname, "../fixtures/histories");
    for (const name of readdirSync(folder).filter((each) => each.endsWith(".jsonl"))) {
      const { reader } = await loadBundle(join(folder, name));
      const { findings, events } = checkLog(reader, { machine });
      expect(findings, name).toEqual([]);
      expect(events, name).toBeGreaterThan(5);
    }
  });

  it("refuses an event of a still later version, as this version refuses its events", async () => {
    const read = await reading();
    expect(() => read(4, { reason })).toThrow(/has schema version 4, and this driver knows up to 3/);
    expect(() => upcast({ ...place, type: "lost", schema: 3, data: { reason } })).toThrow(
      /has schema version 3, and this driver knows up to 1/,
    );
  });
});

describe("an event of the present version", () => {
  it("is returned unchanged", () => {
    const data = sampleData("exited");
    expect(upcast({ ...place, schema: EVENT_SCHEMA_VERSION, data })).toBe(data);
  });
});

describe("an event of an unknown version", () => {
  it("is refused if the version is newer, with stream, number and version in the error", () => {
    const newer = { ...place, schema: EVENT_SCHEMA_VERSION + 1, data: {} };
    expect(() => upcast(newer)).toThrow(
      expect.objectContaining({
        code: "EVENT_TOO_NEW",
        message: expect.stringMatching(
          new RegExp(
            `event 3 of alloc/web/1 has schema version ${EVENT_SCHEMA_VERSION + 1}.*at least as new`,
          ),
        ),
      }),
    );
  });

  it.each([0, -1, 1.5, Number.NaN])("is refused if no such version can exist: %s", (schema) => {
    expect(() => upcast({ ...place, schema, data: {} })).toThrow(
      expect.objectContaining({ code: "EVENT_INVALID" }),
    );
  });
});

let made: Promise<MachineVersion> | undefined;

function laterMachine(): Promise<MachineVersion> {
  const change = (source: string) =>
    source.replace("EVENT_SCHEMA_VERSION = 1;", "EVENT_SCHEMA_VERSION = 3;").replace(
      "schema: z.object({ reason: z.string() }),",
      `schema: z.object({
        reason: z.string(),
        seenBy: z.string().nullable(),
        place: z.object({ rack: z.string(), row: z.number() }),
      }),
      added: { 2: { seenBy: null, place: { rack: "unknown" } }, 3: { place: { row: 0 } } },`,
    );
  made ??= machineVariant(change, ["events.ts", "events/ending.ts"]).then(loadMachine);
  return made;
}
