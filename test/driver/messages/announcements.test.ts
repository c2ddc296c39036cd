import { describe, expect, it } from "vitest";
import { type TaskId, toTaskId } from "../../../src/base/taskId.ts";
import type { TaskEventMessage } from "../../../src/driver/driverPort.ts";
import { storedHistory, type TaskHistory, toStored } from "../../../src/driver/history/taskHistory.ts";
import { Announcements } from "../../../src/driver/messages/announcements.ts";
import { Task } from "../../../src/driver/task/task.ts";
import { taskSchema } from "../../../src/effects/parts.ts";
import type { EventData, EventType, TaskEvent } from "../../../src/machines/events.ts";
import { initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import { event, sampleData } from "../../support/history/history.ts";
import { memoryEventStore } from "../../support/history/memoryEventStore.ts";
import { deprecate } from "../../support/options/deprecate.ts";
import { runThat } from "../../support/plugin/fakeDriver.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

type Fact = EventType | readonly [EventType, object];
type Limits = EventData<"sandboxed">["limits"];

const limits = (applied: boolean): Limits => [
  { file: "memory.max", value: "1", applied, ...(!applied && { reason: "no memory controller" }) },
  { file: "cpu.max", value: "1", applied, ...(!applied && { reason: "no cpu controller" }) },
];
const begin: readonly Fact[] = ["requested", "fingerprinted", "sandboxed"];
const beginWithout: readonly Fact[] = [
  "requested",
  "fingerprinted",
  ["sandboxed", { limits: limits(false) }],
];
const run: readonly Fact[] = [...begin, "started"];
const runWithout: readonly Fact[] = [...beginWithout, "started"];
const oom = { kills: 1, limitBytes: 1 << 20, peakBytes: 1 << 20 };
const killed = { exitCode: 137, signal: 9 };

const web = toTaskId("6f2d4a9e/web/00000001");
const webAgain = toTaskId("6f2d4a9e/web/00000002");
const sidecar = toTaskId("6f2d4a9e/sidecar/00000003");
const other = toTaskId("0a0a0a0a/web/00000004");

/** A plugin process with a log, and the messages that its agent gets. */
function plugin(store = memoryEventStore()) {
  const log = recordingLogger();
  const announcements = new Announcements(log);
  const heard: string[] = [];
  const listen = (into = heard) =>
    announcements.messages.subscribe(({ message }: TaskEventMessage) => into.push(message));
  /** The tasks whose users are compared. */
  const tasks: Task[] = [];
  const taskOf = (taskId: TaskId, history?: TaskHistory) =>
    new Task(
      taskId,
      {
        store,
        now: Date.now,
        createRun: () => runThat(() => undefined),
        onCommitted: (committed) => announcements.committed(committed, store, () => tasks),
        onStoreFailure: () => expect.fail("the log refuses"),
      },
      history,
    );
  const record = (task: Task, fact: Fact) => {
    const [type, data = {}] = typeof fact === "string" ? [fact] : fact;
    return task.record(type, { ...sampleData(type), ...data });
  };
  /** Records these facts of a task for which the client has a runner. */
  const happens = async (taskId: TaskId, facts: readonly Fact[]) => {
    announcements.runnerCalls(taskId);
    const task = taskOf(taskId);
    for (const fact of facts) expect(await record(task, fact)).toBe(true);
    return task;
  };
  /** As RecoverTask does. */
  const recovers = (taskId: TaskId) => {
    const history = storedHistory(taskId, store);
    if (history === undefined) throw new Error("no history");
    announcements.takenOver(taskId, history.snapshot);
    return taskOf(taskId, history);
  };
  return { store, log, tasks, announcements, heard, listen, happens, recovers, record };
}

describe("a deprecated option", () => {
  it("is told once for a task, however often it starts again", async () => {
    deprecate(taskSchema(), "nice", { since: "1.2.0", instead: "use io" });
    const { heard, listen, happens } = plugin();
    listen();
    const options = { ...sampleData("requested").options, nice: 5 };
    const restarted: readonly Fact[] = [["requested", { options }], "fingerprinted", "sandboxed", "started"];
    for (const id of [web, webAgain, sidecar, other]) await happens(id, restarted);
    expect(heard).toEqual(Array(3).fill("Option nice is deprecated since 1.2.0: use io"));
  });
});

describe("the number of task events for each course of a task", () => {
  it.each<[string, number, readonly Fact[]]>([
    ["a start and an end without problems", 0, [...run, "exited", "destroyed"]],
    ["an exit with an error", 0, [...run, ["exited", { exitCode: 7 }], "destroyed"]],
    ["a start with missing limits", 1, [...runWithout, "exited", "destroyed"]],
    ["a start that fails", 0, ["requested", "fingerprinted", "startFailed"]],
    ["a start that fails with missing limits", 0, [...beginWithout, "startFailed"]],
    ["a stop that is obeyed", 0, [...run, "stopRequested", "signalled", "exited", "destroyed"]],
    [
      "a stop that ends with a kill",
      1,
      [...run, "stopRequested", "signalled", "stopTimedOut", "forceKilled", ["exited", killed], "destroyed"],
    ],
    [
      "a destruction by force",
      0,
      [
        ...run,
        "destroyRequested",
        ["forceKilled", { reason: "destroyRequested" }],
        ["exited", killed],
        "destroyed",
      ],
    ],
    ["an OOM kill that the task survives", 1, [...run, ["oomSeen", oom], ["exited", { oom }]]],
    [
      "several OOM kills that the task survives",
      1,
      [
        ...run,
        ...[1, 2, 3, 4].map((kills): Fact => ["oomSeen", { ...oom, kills }]),
        ["exited", { oom: { ...oom, kills: 4 } }],
      ],
    ],
    ["stalls, again and again", 1, [...run, "stalled", "stalled", "exited"]],
    ["a disk limit that becomes full", 2, [...run, "diskFilled", ["diskFilled", { percent: 100 }], "exited"]],
    ["output that is lost again and again", 1, [...run, "outputLost", "outputLost", "exited"]],
    [
      "output that waits for journald, again and again",
      2,
      [...run, ...[true, false, true, false].map((waits): Fact => ["outputWaits", { waits }]), "exited"],
    ],
    [
      "output that waits for the rate, and for journald",
      2,
      [
        ...run,
        ["outputWaits", { waits: true, bytesPerSecond: 4096 }],
        ["outputWaits", { waits: true }],
        "exited",
      ],
    ],
    ["a logger that is replaced", 0, [...run, "loggerReplaced", "exited"]],
    ["an OOM kill that ends the task", 1, [...run, ["exited", { ...killed, oomKilled: true, oom }]]],
    ["signals and commands", 0, [...run, "signalled", "execStarted", "execExited", "exited"]],
    ["being taken over by a later plugin", 0, [...run, "recovered", "recovered", "exited"]],
    ["a loss", 1, [...run, "lost"]],
    ["an unknown end", 1, [...run, ["exited", { exitCode: -1, source: "unknown" }]]],
  ])("%s: %d", async (_, count, facts) => {
    const { heard, listen, happens } = plugin();
    listen();
    await happens(web, facts);
    expect(heard).toHaveLength(count);
  });

  it("a restart: 0, and 0 again if limits are missing but were reported before", async () => {
    const { heard, listen, happens } = plugin();
    listen();
    for (const id of [web, webAgain]) await happens(id, [...run, "exited", "destroyed"]);
    expect(heard).toEqual([]);
    for (const [index] of Array(5).entries()) {
      await happens(toTaskId(`0a0a0a0a/web/${index}`), [...runWithout, "exited", "destroyed"]);
    }
    expect(heard).toEqual(["Runs without memory.max (no memory controller), cpu.max (no cpu controller)"]);
  });

  it("being taken over from the Go driver: 1, and 0 at the next plugin", async () => {
    const { store, heard, listen, recovers, record, announcements } = plugin();
    listen();
    let snapshot = initialSnapshot;
    for (const [index, fact] of [event("requested"), event("adopted")].entries()) {
      const taken = step(snapshot, fact);
      snapshot = taken.snapshot;
      await store.append(web, index, [toStored(fact, taken)]);
    }
    await record(recovers(web), "recovered");
    announcements.runnerCalls(web);
    expect(heard).toEqual(["Taken over from the Go driver, process 300"]);
    const next = plugin(store);
    next.listen();
    await next.record(next.recovers(web), "recovered");
    next.announcements.runnerCalls(web);
    expect(next.heard).toEqual([]);
  });
});

describe("a dynamic user that another task has", () => {
  const begunAs = (user: string, uid: number): readonly Fact[] => [
    "requested",
    "fingerprinted",
    ["sandboxed", { user, uid }],
    "started",
  ];

  it("is reported for the task that gets it, as an event and in the log, and for no other task", async () => {
    const { heard, listen, happens, log, tasks } = plugin();
    listen();
    tasks.push(await happens(other, begunAs("nomad-80001", 80_001)));
    tasks.push(await happens(sidecar, begunAs("nomad-80002", 80_002)));
    await happens(web, begunAs("nomad-80001", 80_001));
    expect(heard).toEqual(["Runs as nomad-80001, the same user as another running task: 0a0a0a0a/web"]);
    expect(log.lines.filter(({ level }) => level !== "debug")).toEqual([
      {
        level: "warn",
        message: "a task has the same user as another running task",
        fields: { task_id: web, user: "nomad-80001", shared_with: "0a0a0a0a/web" },
      },
    ]);
  });
});

describe("missing limits are reported once per allocation", () => {
  it("for any of its tasks, and again for the next allocation", async () => {
    const { heard, listen, happens } = plugin();
    listen();
    for (const id of [web, sidecar, webAgain]) await happens(id, runWithout);
    expect(heard).toHaveLength(1);
    await happens(other, runWithout);
    expect(heard).toHaveLength(2);
  });

  it("names of egress without an address are told at each start, with or without missing limits", async () => {
    const { heard, listen, happens } = plugin();
    listen();
    const egress = {
      ...{ allowed: ["db.example.org:5432"], denied: [] },
      names: [{ name: "db.example.org", addresses: [], problem: "ENOTFOUND" }],
    };
    const cannot =
      "Cannot connect yet to db.example.org (ENOTFOUND): its egress has these names, which are looked up again";
    const withName = (applied: boolean): readonly Fact[] => [
      ...(["requested", "fingerprinted"] as const),
      ["sandboxed", { limits: limits(applied), egress }],
      "started",
    ];
    await happens(web, withName(false));
    expect(heard.splice(0)).toEqual([
      `Runs without memory.max (no memory controller), cpu.max (no cpu controller). ${cannot}`,
    ]);
    await happens(webAgain, withName(false));
    await happens(sidecar, withName(true));
    expect(heard).toEqual([cannot, cannot]);
  });

  it("by any plugin process", async () => {
    const first = plugin();
    first.listen();
    await first.happens(web, [...runWithout, "exited", "destroyed"]);
    expect(first.heard).toHaveLength(1);
    const next = plugin(first.store);
    next.listen();
    await next.happens(webAgain, runWithout);
    expect(next.heard).toEqual([]);
  });

  it("also if its tasks start at the same moment", async () => {
    const { heard, listen, happens } = plugin();
    listen();
    await Promise.all([web, sidecar, webAgain].map((id) => happens(id, runWithout)));
    expect(heard).toHaveLength(1);
  });

  it("if earlier starts failed, or had all their limits", async () => {
    const { heard, listen, happens } = plugin();
    listen();
    await happens(toTaskId("6f2d4a9e/a/00000001"), [...beginWithout, "startFailed"]);
    await happens(toTaskId("6f2d4a9e/b/00000002"), run);
    await happens(web, runWithout);
    expect(heard).toHaveLength(1);
  });

  it("but not if there are more runs than can be read", async () => {
    const { heard, listen, happens } = plugin();
    listen();
    for (const [index] of Array(60).entries()) await happens(toTaskId(`6f2d4a9e/a/${index}`), ["requested"]);
    await happens(web, runWithout);
    expect(heard).toEqual([]);
  });

  it("even if an earlier run cannot be read", async () => {
    const { store, heard, listen, happens } = plugin();
    listen();
    const readRecords = store.readRecords.bind(store);
    store.readRecords = (stream) => (stream === sidecar ? [Buffer.from("damaged")] : readRecords(stream));
    await happens(sidecar, ["requested"]);
    await happens(web, runWithout);
    expect(heard).toHaveLength(1);
  });
});

describe("what happens before the client has a runner for the task", () => {
  const lost: readonly Fact[] = [...run, "lost"];

  it("is reported once the runner waits for the task", async () => {
    const first = plugin();
    await first.happens(web, [...run, ["exited", { source: "unknown" }]]);
    const { heard, listen, recovers, announcements } = plugin(first.store);
    listen();
    recovers(web);
    announcements.runnerCalls(other);
    expect(heard).toEqual([]);
    announcements.runnerCalls(web);
    announcements.runnerCalls(web);
    expect(heard).toEqual(["The task is gone and its exit code is unknown"]);
  });

  it("to a lost task is reported when its runner starts the task again", async () => {
    const first = plugin();
    await first.happens(web, lost);
    const { heard, listen, recovers, happens } = plugin(first.store);
    listen();
    recovers(web);
    await happens(webAgain, run);
    expect(heard).toEqual(["Lost: the host was rebooted"]);
  });

  it("waits with later messages of the task, in order, and with a limit", async () => {
    const first = plugin();
    await first.happens(web, run);
    const { heard, listen, recovers, record, announcements } = plugin(first.store);
    listen();
    const task = recovers(web);
    for (const [index] of Array(20).entries()) {
      for (const fact of ["stopRequested", ["stopTimedOut", { timeoutMs: index }], "recovered"] as Fact[])
        await record(task, fact);
    }
    expect(heard).toEqual([]);
    announcements.runnerCalls(web);
    expect(heard).toEqual(
      Array.from({ length: 10 }, (_, index) => `Killed: still running ${index + 10} ms after SIGINT`),
    );
  });

  it("is reported to a new agent of the same plugin when it has runners", async () => {
    const { heard, listen, happens, record, announcements } = plugin();
    const first = listen([]);
    const task = await happens(web, run);
    first.unsubscribe();
    await record(task, ["oomSeen", oom]);
    announcements.agentArrived([web]);
    listen();
    await record(task, ["exited", { source: "unknown" }]);
    expect(heard).toEqual([]);
    announcements.runnerCalls(web);
    expect(heard).toEqual([
      expect.stringMatching(/^Out of memory/),
      "The task is gone and its exit code is unknown",
    ]);
  });
});

describe("messages while no agent reads", () => {
  it("are read by the next reader only", async () => {
    const { heard, listen, happens } = plugin();
    await happens(web, lostAt(1));
    listen();
    expect(heard).toEqual(["Lost: 1"]);
    const late: string[] = [];
    listen(late);
    expect(late).toEqual([]);
    await happens(other, lostAt(2));
    expect([heard, late]).toEqual([["Lost: 1", "Lost: 2"], ["Lost: 2"]]);
  });

  it("are limited to the newest ones", async () => {
    const { heard, listen, happens } = plugin();
    for (const [index] of Array(300).entries()) await happens(toTaskId(`a/${index}/1`), lostAt(index));
    listen();
    expect(heard).toEqual(Array.from({ length: 200 }, (_, index) => `Lost: ${index + 100}`));
  });

  function lostAt(index: number): readonly Fact[] {
    return [...run, ["lost", { reason: String(index) }]];
  }
});

it("logs starts and recoveries at debug level, and nothing else", async () => {
  const { log, happens } = plugin();
  const all: Fact[] = [...runWithout, "recovered", "stopRequested", "stopTimedOut", "forceKilled", "exited"];
  await happens(web, all);
  expect(log.lines).toEqual([
    {
      level: "debug",
      message: "a task runs",
      fields: { task_id: web, pid: 201, uid: 80001, landlock_abi: 6, unveiled: 1 },
    },
    { level: "debug", message: "a task is taken over", fields: { task_id: web, found: "running" } },
  ]);
});

it("names the task as the agent knows it, and the event's own time", async () => {
  const { announcements, happens } = plugin();
  const messages: TaskEventMessage[] = [];
  announcements.messages.subscribe((message) => messages.push(message));
  const { time }: TaskEvent = event("lost");
  await happens(web, [...run, "lost"]);
  const { allocId, taskName } = sampleData("requested");
  expect(messages).toEqual([
    {
      taskId: web,
      allocId,
      taskName,
      timeMs: expect.any(Number),
      message: expect.any(String),
      annotations: {},
    },
  ]);
  expect(messages[0]?.timeMs).toBeGreaterThan(time);
});
