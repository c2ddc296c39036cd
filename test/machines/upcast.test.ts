import { describe, expect, it } from "vitest";
import { EVENT_SCHEMA_VERSION, parseTaskEvent } from "../../src/machines/events.ts";
import { upcast, withAdditions } from "../../src/machines/upcast.ts";
import { sampleData } from "../support/history/history.ts";

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

  it("of a failed start keeps its error's text in one piece", () => {
    const message = "not found: looked for it (execve /x: ENOENT). Install it";
    const failed = { call: "execve", path: "/x", errno: "ENOENT" };
    const data = { code: "COMMAND_NOT_FOUND", message, recoverable: false, failed };
    for (const schema of [1, 2, 3, 4]) {
      const today = upcast({ ...place, type: "startFailed", schema, data });
      expect(today).toEqual({ ...data, summary: null, hint: null });
      expect(parseTaskEvent("startFailed", 1, today).data).toEqual(today);
    }
  });

  it("of an unknown type is unchanged", () => {
    expect(upcast({ ...place, type: "constructor", schema: 1, data: { a: 1 } })).toEqual({ a: 1 });
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
