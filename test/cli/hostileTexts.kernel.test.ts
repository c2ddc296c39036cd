/** Verbs print histories whose names and texts contain control characters. */
import { writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { DriverError, lineOf } from "../../src/base/errors.ts";
import { RunConsole } from "../../src/cli/commands/run/runConsole.ts";
import { topFrame } from "../../src/cli/commands/top/topView.ts";
import { EventView } from "../../src/cli/histories/eventView.ts";
import { rowOf } from "../../src/cli/tasks/taskRow.ts";
import { formatError } from "../../src/cli/terminal/errors.ts";
import { styleOf } from "../../src/cli/terminal/style.ts";
import {
  messageOfEvent,
  messageOfHistory,
  messageOfSharedUser,
} from "../../src/driver/messages/taskMessages.ts";
import { toStatus } from "../../src/grpc/status.ts";
import { bundleLines } from "../../src/history/replay/bundle/exportBundle.ts";
import { eventTypes } from "../../src/machines/events.ts";
import { fold } from "../../src/machines/taskMachine.ts";
import { importedBundle } from "../../src/store/folder/logFolders.ts";
import { forged, hostile, hostileEvent, hostileLog, unwritable } from "../support/history/hostileTexts.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { call } from "../support/screen/commandLine.ts";

const plain = styleOf(false);
const log = hostileLog();

/** A state folder with the hostile histories, and their bundle. */
function imported() {
  const stateDir = temporaryFolder();
  const bundle = importedBundle(stateDir);
  const reader = log.reader();
  const streams = log.heads.map((head) => ({ head, reader }));
  writeFileSync(bundle, [...bundleLines(streams, { mask: false, now: 0 }), ""].join("\n"));
  return { stateDir, bundle };
}

/** Expects only text: no control characters, and no additional lines. */
function expectPlain(output: string): void {
  expectNoControlCharacters(output);
  expect(output.split("\n").filter((line) => line.trimStart().startsWith(forged))).toEqual([]);
}

function expectNoControlCharacters(output: string): void {
  expect(unwritable.exec(output)?.[0]).toBeUndefined();
}

/** An error may have several lines, but all except the first are indented. */
function expectError(output: string): void {
  expectNoControlCharacters(output);
  expect(output.split("\n").filter((line) => !/^ |^(JOB_INVALID|error|hint):/.test(line))).toEqual([]);
}

describe("of a hostile history", () => {
  const tasks = log.heads.map(({ stream }) => stream);
  const [whole = "", ...others] = tasks;
  const strange = others.at(-1) ?? "";

  it.each([
    [["events"]],
    [["events", "--json"]],
    [["events", "--format", "json"]],
    ...tasks.map((task) => [["events", task]]),
    [["events", whole, "--format", "mermaid"]],
    [["events", "--show-args", whole]],
    ...tasks.map((task) => [["why", task]]),
    [["why", "--json", whole]],
    ...[whole, strange].flatMap((task) => [[["replay", "--plain", task]], [["replay", "--json", task]]]),
    [["replay", "--plain", "--show-args", whole]],
    [["replay", "--what-if", "drop:2", "--plain", whole]],
    [["replay", "--check"]],
    [["replay", "--check", "--json"]],
    [["replay", "nothing of that name"]],
    [["replay", ""]],
    [["ps", "--all"]],
    [["ps", "--all", "--json"]],
    [["diff", whole, strange]],
    [["size", hostile, "--since", "36500d"]],
    [["size", hostile, "--json", "--since", "36500d"]],
    [["size", "nothing of that name"]],
    [["policy", hostile]],
    [["policy", "nothing of that name"]],
    [["diff", whole, others[0] ?? ""]],
    [["diff", "--json", whole, strange]],
  ])("%j prints only text", async (args) => {
    const { stateDir } = imported();
    const { stdout, stderr } = await call([...args, "--state-dir", stateDir]);
    expect(stdout + stderr).not.toBe("");
    expect(stderr).not.toContain("unknown option");
    expectPlain(stdout);
    expectPlain(stderr);
  });

  it("import prints only text", async () => {
    const { stdout } = await call(["import", imported().bundle]);
    expect(stdout).toContain("Exported");
    expectPlain(stdout);
  });

  it("JSON has every character of it", async () => {
    const { stateDir } = imported();
    const { stdout } = await call(["events", "--format", "json", "--state-dir", stateDir]);
    expect(JSON.parse(stdout).at(-1)).toMatchObject({ type: hostile, from: hostile, stream: strange });
  });

  it("top and run print only text", () => {
    const snapshot = fold(
      ["requested", "fingerprinted", "sandboxed", "started"].map((type) => hostileEvent(type as "started")),
    );
    const row = rowOf(
      {
        ...{ id: whole, snapshot, begunAt: 0, endedAt: null, changedAt: 0, lastUse: () => 0 },
        pin: { task: whole, reason: hostile, at: 0 },
      },
      { alive: true, usage: undefined },
      0,
    );
    const all = { sort: "cpu", search: hostile, typing: true, limit: 10, failed: true } as const;
    expectPlain(topFrame([row], all, "12:00:00", plain, { columns: 200, rows: 50 }).join("\n"));
    const view = new EventView(plain, 200);
    for (const event of log.reader().readAll()) {
      expectPlain(view.live(event));
      expectPlain(view.line(event));
    }
    const written: string[] = [];
    const spy = vi
      .spyOn(process.stderr, "write")
      .mockImplementation((text) => written.push(String(text)) > 0);
    onTestFinished(() => spy.mockRestore());
    const console = new RunConsole({
      labels: [hostile],
      labelOf: () => hostile,
      raw: false,
      named: true,
      verbose: true,
      onOutputFailure: () => {},
    });
    for (const event of log.reader().readAll()) console.event(event);
    console.warn(hostile);
    console.note(hostile);
    console.pluginLog(JSON.stringify({ "@level": "error", "@message": hostile, error: hostile }));
    console.pluginLog(hostile);
    expectPlain(stripped(written.splice(0).join("")));
    console.fail(new DriverError("JOB_INVALID", hostile, { hint: hostile }));
    expectError(stripped(written.join("").trimEnd()));
  });
});

describe("of a hostile task", () => {
  const failed = { call: hostile, path: hostile, errno: "ENOENT" };
  const errors = [
    new DriverError("JOB_INVALID", hostile, { hint: hostile, failed }),
    new DriverError("JOB_INVALID", `two\n  lines of ${hostile}`),
    new Error(hostile),
  ];

  it.each(errors)("errors are only text", (error) => {
    expectError(formatError(error, plain, Number.POSITIVE_INFINITY));
    expectPlain(toStatus(error).details);
    expect(toStatus(error).details).not.toContain("\n");
  });

  it("the task's own log has a line of text", () => {
    const [error] = errors as [DriverError];
    expectPlain(lineOf(error));
    expect(lineOf(error)).not.toContain("\n");
  });

  it("messages in the agent's task events are lines of text", () => {
    const snapshot = fold([
      hostileEvent("requested"),
      hostileEvent("fingerprinted"),
      hostileEvent("sandboxed"),
    ]);
    const messages = [
      ...eventTypes.map((type) => messageOfEvent(hostileEvent(type), snapshot.context)),
      messageOfHistory({ ...snapshot, value: "lost" }),
      messageOfSharedUser({ user: hostile, tasks: [hostile] }),
    ];
    const sent = messages.filter((message) => message !== undefined);
    expect(sent.length).toBeGreaterThan(3);
    for (const text of sent.flatMap(({ message, annotations }) => [message, ...Object.values(annotations)])) {
      expectPlain(text);
      expect(text).not.toContain("\n");
    }
  });
});

/** Removes colours, which the text has if the test itself runs on a terminal. */
function stripped(text: string): string {
  return text.replaceAll(new RegExp(`${String.fromCharCode(0x1b)}\\[[\\d;]*m`, "g"), "");
}
