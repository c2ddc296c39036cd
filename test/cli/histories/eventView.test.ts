import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { EventView } from "../../../src/cli/histories/eventView.ts";
import { taskHistory } from "../../../src/cli/histories/readHistory.ts";
import { historyTable } from "../../../src/cli/tasks/taskListing.ts";
import { styleOf } from "../../../src/cli/terminal/style.ts";
import {
  type EventData,
  type EventType,
  eventTypes,
  isWrong,
  summarize,
  type TaskEvent,
} from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import type { StoredEvent } from "../../../src/store/eventStore.ts";
import { event, requestWith } from "../../support/history/history.ts";

const plain = styleOf(false);

/** A stored history of a task, with 5 ms between events. */
function stored(stream: string, types: readonly EventType[], begin = 1_000): StoredEvent[] {
  let snapshot = initialSnapshot;
  return types.map((type, index) => {
    const timed = { ...event(type), time: begin + index * 5 };
    const taken = step(snapshot, timed);
    snapshot = taken.snapshot;
    const { from, to, effects } = taken;
    return { ...timed, schema: 1, from, to, effects, stream, seq: index + 1, position: index + 1, hash: "" };
  });
}

const lived: EventType[] = ["requested", "fingerprinted", "sandboxed", "started", "exited", "destroyed"];

describe("the summary of an event", () => {
  it.each(eventTypes)("of %s is one line", (type) => {
    const text = summarize(event(type));
    expect(text).not.toBe("");
    expect(text).not.toContain("\n");
    expect(text).not.toContain("undefined");
  });

  it.each(["teleported", "constructor"])("of another version's type %s says so", (type) => {
    const strange = { ...event("exited"), type } as TaskEvent;
    expect(summarize(strange)).toBe("only another version of the driver knows this event");
    expect(isWrong(strange, "running")).toBe(false);
  });

  const exits: [Partial<EventData<"exited">>, string][] = [
    [{ exitCode: 7, signal: 0, oomKilled: false, source: "status" }, "exit code 7"],
    [{ exitCode: 143, signal: 15, oomKilled: false, source: "status" }, "killed by SIGTERM"],
    [{ exitCode: 137, signal: 9, oomKilled: true, source: "status" }, "killed by SIGKILL: out of memory"],
    [{ exitCode: -1, signal: 0, source: "unknown" }, "has ended, but it is not known how"],
  ];
  it.each(exits)("of an exit %j is %s", (data, text) => {
    expect(summarize(event("exited", data))).toBe(text);
  });

  it("of a request has the command with shell quotes, truncated if it is long", () => {
    const text = summarize(requestWith({ command: "sh", args: ["-c", "echo 'a b'"] }));
    expect(text).toContain(`sh -c "echo 'a b'" as nomad-80001`);
    expect(summarize(requestWith({ args: ["x".repeat(500)] })).length).toBeLessThan(200);
  });
});

describe("the table of a task's events", () => {
  it("has number, time since the previous event, type, states and summary", () => {
    const events = stored("aaaaaaaa-1/web/1", lived);
    const text = new EventView(plain, 300).task(taskHistory("aaaaaaaa-1/web/1", events), events);
    const lines = text.split("\n").map((line) => line.split(/\s{2,}/).map((cell) => cell.trim()));
    expect(lines[0]?.[0]).toMatch(/^web of job \S+, 1970-01-01, aaaaaaaa-1\/web\/1$/);
    expect(lines[2]).toEqual(["SEQ", "TIME", "DELTA", "EVENT", "STATE", "WHAT"]);
    expect(lines[3]?.slice(1, 2)).toEqual(["1"]);
    expect(lines[3]).toContain("requested");
    expect(lines[4]).toEqual(
      expect.arrayContaining(["2", "+5 ms", "fingerprinted", "pending → fingerprinted"]),
    );
    expect(lines).toHaveLength(3 + lived.length);
  });

  it("shows no negative span if the clock was set back while the task ran", () => {
    const events = stored("a/web/1", lived, 10_000_000).map((each, index) =>
      index < 4 ? each : { ...each, time: each.time - 3_600_000 },
    );
    const history = taskHistory("a/web/1", events);
    const startedAt = events[3]?.time ?? 0;
    const ended = stored("a/web/1", lived).map((each) =>
      each.type === "exited"
        ? { ...each, data: { ...(each.data as object), endedAt: startedAt - 60_000 } }
        : each,
    );
    const view = new EventView(plain, 300);
    expect(history.state).toBe("destroyed");
    expect(view.task(history, events)).not.toMatch(/[+-]-|-\d+ (ms|s|min|h)/);
    expect(taskHistory("a/web/1", ended).ranMs).toBeGreaterThanOrEqual(0);
    expect(historyTable([history], 5, new Map(), plain, 300)).not.toMatch(/-\d+ (ms|s|min|h)/);
  });

  it("lines up with the rows that come later", () => {
    const [first, second] = stored("a/web/1", lived);
    if (!first || !second) throw new Error("no events");
    const view = new EventView(plain, 200);
    const [header = ""] = view
      .task(taskHistory("a/web/1", [first]), [first])
      .split("\n")
      .slice(2);
    const row = view.next(second);
    for (const [column, cell] of [
      ["TIME", "00:"],
      ["EVENT", "fingerprinted"],
      ["STATE", "pending"],
    ] as const) {
      const at = header.indexOf(column);
      expect(
        cell === "00:" ? row.slice(at).match(/^\d\d:\d\d/) : row.slice(at).startsWith(cell),
      ).toBeTruthy();
    }
  });

  it("colours good and bad events, and changes nothing else", () => {
    const events = stored("a/web/1", ["requested", "startFailed"]);
    const history = taskHistory("a/web/1", events);
    const coloured = new EventView(styleOf(true), 120).task(history, events);
    expect(coloured).toContain(styleOf(true).red("startFailed"));
    expect(stripVTControlCharacters(coloured)).toBe(new EventView(plain, 120).task(history, events));
  });

  it("marks events of another version", () => {
    const [first] = stored("a/web/1", lived);
    if (!first) throw new Error("no event");
    const text = new EventView(plain, 200).live({ ...first, type: "teleported" });
    expect(text).toContain("written by another version");
  });
});

describe("events that repeat", () => {
  it("are one line in the table of a task, between the first and the last of these events", () => {
    const checks = Array.from({ length: 1000 }, (): EventType[] => ["execStarted", "execExited"]).flat();
    const events = stored("aaaaaaaa-1/web/1", [...lived.slice(0, 4), ...checks, ...lived.slice(4)]);
    const table = new EventView(plain, 120).task(taskHistory("aaaaaaaa-1/web/1", events), events);
    const lines = table.split("\n").filter((line) => /^ *(\d+ {2}\d\d:|…)/.test(line));
    expect(lines).toHaveLength(4 + 2 + 1 + 2 + 2);
    expect(lines[6]).toBe("  … these two again, 998 times in 10.0 s: events 7 to 2002");
    expect(lines.at(-1)).toMatch(/^2006 /);
  });
});

describe("the table of tasks", () => {
  it("has state, age, duration and end of each task", () => {
    const histories = [
      taskHistory("aaaaaaaa-1/web/1", stored("aaaaaaaa-1/web/1", lived)),
      taskHistory("bbbbbbbb-1/db/1", stored("bbbbbbbb-1/db/1", lived.slice(0, 4))),
    ];
    const [header, ...rows] = historyTable(histories, 61_000, new Map(), plain, 120).split("\n");
    expect(header).toMatch(/TASK +ALLOCATION +JOB +STATE +BEGAN +RAN +END/);
    expect(rows[0]).toMatch(/^web +aaaaaaaa .* completed +1 min ago .* exit code/);
    expect(rows[1]).toMatch(/^db +bbbbbbbb .* running +1 min ago$/);
  });
});
