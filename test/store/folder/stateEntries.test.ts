import { describe, expect, it } from "vitest";
import { isStateEntry } from "../../../src/store/folder/stateEntries.ts";

const own = [
  "state-folder",
  "state-folder.123.new",
  "lock",
  "plugin.sock",
  "env-digest.key",
  "env-digest.key.4711",
  "egress-tried",
  "egress-tried.123.new",
  "events",
  "events/data.mdb",
  "events/lock.mdb",
  "events/checkpoint",
  "events/usage/a1b2_web_0123abcd",
  "events.damaged-2026-01-31T12-30-00Z+/data.mdb",
  "pins/a1b2_web_0123abcd.json",
  "pins/a1b2_web_0123abcd.json.12.new",
  "archived.json",
  "archive/2026-01-31.jsonl",
  "archive/2026-01-31-2.jsonl",
  "archive/.2026-01-31.4711.new",
  "run/exec2-init",
  "run/rehearsal/task/local",
  "run/rehearsed",
  "run/spare-3/alive",
  "run/a1b2_web_0123abcd/status",
  "run/a b\nc~0123/hosts",
  "local",
];

const foreign = [
  "",
  ".",
  "notes.txt",
  "lock.old",
  "Lock",
  "etc",
  "events/notes.txt",
  "events/usage/a/b",
  "events.old",
  "events/data.mdb/x",
  "pins/list.txt",
  "archive/report.pdf",
  "archive/2026-01-31.jsonl.gz",
  "run/home",
  "local/1",
  "local/1/events",
  "../lock",
  "x/lock",
];

describe("the entries of a state folder", () => {
  it.each(own)("are the driver's: %j", (path) => {
    expect(isStateEntry(path)).toBe(true);
  });

  it.each(foreign)("are not the driver's: %j", (path) => {
    expect(isStateEntry(path)).toBe(false);
  });
});
