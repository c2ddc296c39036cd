import { describe, expect, it } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import { toStored } from "../../../src/driver/history/taskHistory.ts";
import { sharedUserOf, withUser } from "../../../src/driver/start/taskUser.ts";
import type { TaskRequest } from "../../../src/effects/launch/taskRequest.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";
import { fold, initialSnapshot, step } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";
import { memoryEventStore } from "../../support/history/memoryEventStore.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

const web = "6f2d4a9e/web";
const withoutUser = event("requested", { user: "" });
const asked = (user: string) => event("requested", { user });
const ranAs = (user: string) => [withoutUser, event("fingerprinted"), event("sandboxed", { user })];

/** A log of runs, the oldest first. */
async function logOf(runs: readonly (readonly [string, readonly TaskEvent[]])[]) {
  const store = memoryEventStore();
  for (const [taskId, events] of runs) {
    let snapshot = initialSnapshot;
    for (const [index, fact] of events.entries()) {
      const taken = step(snapshot, fact);
      snapshot = taken.snapshot;
      await store.append(taskId, index, [toStored(fact, taken)]);
    }
  }
  return { store, log: recordingLogger() };
}

const request = (taskId: string, user = "") => ({ taskId, user }) as TaskRequest;

describe("a start without a user", () => {
  it.each<[string, string, readonly (readonly [string, readonly TaskEvent[]])[]]>([
    ["that the request of its previous run named", "nomad-80001", [[`${web}/01`, [asked("nomad-80001")]]]],
    [
      "that its previous run had although the request named none",
      "nomad-80002",
      [[`${web}/01`, ranAs("nomad-80002")]],
    ],
    [
      "of the newest of its runs, whatever their names",
      "nomad-80002",
      [
        [`${web}/03`, [asked("nomad-80001")]],
        [`${web}/01`, [asked("nomad-80002")]],
      ],
    ],
    [
      "of the newest run that had a user",
      "nomad-80001",
      [
        [`${web}/01`, [asked("nomad-80001")]],
        [`${web}/02`, [withoutUser, event("startFailed")]],
      ],
    ],
    ["that this start had before its plugin died", "nomad-80003", [[`${web}/0a`, ranAs("nomad-80003")]]],
    [
      "of a run that another driver has started",
      "nomad-80004",
      [[`${web}/01`, [asked("nomad-80004"), event("adopted"), event("exited")]]],
    ],
  ])("gets the user %s", async (_which, user, runs) => {
    expect(await withUser(request(`${web}/0a`), await logOf(runs))).toEqual(request(`${web}/0a`, user));
  });

  it("is mentioned in the agent's log with the user that it gets", async () => {
    const services = await logOf([[`${web}/01`, [asked("nomad-80001")]]]);
    await withUser(request(`${web}/0a`), services);
    expect(services.log.lines).toEqual([
      {
        level: "info",
        message: "the agent names no user for a task: the task gets the user of its previous run",
        fields: { task_id: `${web}/0a`, user: "nomad-80001", run_before: `${web}/01` },
      },
    ]);
  });

  it.each([
    ["the log knows nothing", `${web}/0a`, []],
    ["only other tasks have run", `${web}/0a`, ["6f2d4a9e/we/01", "6f2d4a9e/web2/01", "6f2d/web/01"]],
    ["its id is of another form", "web", ["web/01", "web"]],
  ])("gets no user if %s", async (_why, taskId, runs) => {
    const services = await logOf(runs.map((run) => [run, [asked("nomad-80001")]]));
    expect(await withUser(request(taskId), services)).toEqual(request(taskId));
    expect(services.log.lines).toEqual([]);
  });

  it("succeeds although a run's history is damaged, or too new", async () => {
    const services = await logOf([[`${web}/01`, [asked("nomad-80001")]]]);
    await services.store.append(`${web}/02`, 0, [
      { ...toStored(asked("nomad-80002"), step(initialSnapshot, asked("x"))), schema: 99 },
    ]);
    await services.store.append(`${web}/03`, 0, [toStored(withoutUser, step(initialSnapshot, withoutUser))]);
    const readRecords = services.store.readRecords.bind(services.store);
    services.store.readRecords = (stream) =>
      stream === `${web}/03` ? [Buffer.from("damaged")] : readRecords(stream);
    expect((await withUser(request(`${web}/0a`), services)).user).toBe("nomad-80001");
  });

  it("gets the newest user even of more runs than one turn of the event loop reads", async () => {
    const runs = Array.from(
      { length: 50 },
      (_, index) => [`${web}/${index}`, [asked(`nomad-${80_000 + index}`)]] as const,
    );
    expect((await withUser(request(`${web}/0a`), await logOf(runs))).user).toBe("nomad-80049");
  });
});

it("a start that names a user is unchanged, and the log is not read", async () => {
  const given = request(`${web}/0a`, "www-data");
  const store = { ...memoryEventStore(), streams: () => expect.fail("the log is read") };
  expect(await withUser(given, { store, log: recordingLogger() })).toBe(given);
});

describe("a task shares its dynamic user", () => {
  const begun = (user: string, uid: number) => [
    asked(user),
    event("fingerprinted"),
    event("sandboxed", { user, uid }),
  ];
  const running = (id: string, user = "nomad-80001", uid = 80_001, ...further: TaskEvent[]) => {
    const snapshot = fold([...begun(user, uid), event("started"), ...further]);
    return { id: toTaskId(id), state: snapshot.value, snapshot };
  };
  const fromElsewhere = fold([asked("nomad-80001"), event("adopted")]);
  const adopted = { id: toTaskId("bb/db/01"), state: fromElsewhere.value, snapshot: fromElsewhere };
  const own = running(`${web}/02`);

  it.each([
    ["a running task of another allocation", [running("aa/web/01")], ["aa/web"]],
    ["a running task of its own allocation", [running("6f2d4a9e/db/01")], ["6f2d4a9e/db"]],
    ["a running task that another driver has started", [adopted], ["bb/db"]],
    ["all running tasks", [running("cc/web/01"), running("aa/x/01"), running("aa/x/02")], ["aa/x", "cc/web"]],
    [
      "a task that is being stopped",
      [running("aa/web/01", "nomad-80001", 80_001, event("stopRequested"))],
      ["aa/web"],
    ],
  ])("with %s", (_which, others, tasks) => {
    expect(sharedUserOf(own, () => [own, ...others])).toEqual({ user: "nomad-80001", tasks });
  });

  it.each([
    ["its own previous run, which is being stopped", [running(`${web}/01`)]],
    ["a task with another user", [running("aa/web/01", "nomad-80002", 80_002)]],
    ["a task that has ended", [running("aa/web/01", "nomad-80001", 80_001, event("exited"))]],
  ])("not with %s", (_which, others) => {
    expect(sharedUserOf(own, () => [own, ...others])).toBeUndefined();
  });

  it("with no task if its user is a user of the host, which jobs name on purpose", () => {
    const daemon = running("aa/web/01", "daemon", 1);
    expect(sharedUserOf(daemon, () => [daemon, running("bb/web/01", "daemon", 1)])).toBeUndefined();
  });
});
