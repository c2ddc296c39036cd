import { describe, expect, it } from "vitest";
import { failureOf } from "../../src/fleet/failure.ts";
import { allocationStub } from "../../src/fleet/stubs.ts";

type Event = Readonly<Record<string, unknown>> & { readonly Type: string };

const event = (Type: string, more: object = {}): Event => ({ Type, Time: 1e18, ...more });
const ended = (ExitCode: number, exit_message = "", more: object = {}) =>
  event("Terminated", { ExitCode, Details: { exit_message }, ...more });

function allocation(status: string, tasks: Readonly<Record<string, object>> | null, description = "") {
  return allocationStub.parse({
    ...{ ID: "a", Namespace: "default", JobID: "web", JobVersion: 0, TaskGroup: "g", Name: "web.g[0]" },
    ...{
      NodeID: "n",
      ClientStatus: status,
      ClientDescription: description,
      CreateTime: 1e18,
      ModifyTime: 2e18,
    },
    TaskStates: tasks,
  });
}

const failedTask = (...events: readonly Event[]) => ({
  ...{ State: "dead", Failed: true, FinishedAt: "2026-12-01T00:00:00Z", Events: events },
});
const failure = (...events: readonly Event[]) =>
  failureOf(allocation("failed", { main: failedTask(...events) }));
const rpc = (text: string) => `rpc error: code = FailedPrecondition desc = ${text}`;

describe("a failed task", () => {
  it.each([
    ["an exit code", [ended(7)], "exit_code", "7", undefined],
    ["another driver's message", [ended(1, "Docker container exited")], "exit_code", "1", undefined],
    ["a signal", [ended(139, "", { Signal: 11 })], "signal", "SIGSEGV", undefined],
    [
      "a lack of memory",
      [ended(137, "", { Signal: 9, Details: { oom_killed: "true" } })],
      "out_of_memory",
      null,
      undefined,
    ],
    [
      "a cause",
      [ended(127, "its shell did not find the command x (nomad-driver-exec2 why a/main)")],
      "missing_command",
      "x",
      true,
    ],
    [
      "what has changed",
      [ended(2, "since the last good run: its command (nomad-driver-exec2 why a/main)")],
      "exit_code",
      "2",
      true,
    ],
    [
      "a cause with output",
      [
        ended(
          127,
          'its shell did not find the command x; its output ends with: "a; b" (nomad-driver-exec2 why a/main)',
        ),
      ],
      ...["missing_command", "x", true],
    ],
    [
      "a refused start",
      [
        event("Driver Failure", {
          Details: { driver_error: rpc("UNVEIL_NOT_ALLOWED: r:/etc is not allowed. Ask") },
        }),
      ],
      ...["UNVEIL_NOT_ALLOWED", "/etc", true],
    ],
    [
      "a refused start with a call",
      [
        event("Driver Failure", {
          Details: { driver_error: rpc("LAUNCH_FAILED: no (mount /a b: EPERM). Ask") },
        }),
      ],
      ...["LAUNCH_FAILED", "/a b", true],
    ],
    [
      "another driver's start",
      [event("Driver Failure", { DisplayMessage: "no such image" })],
      "start",
      "no such image",
      undefined,
    ],
    [
      "a hook",
      [event("Task hook failed", { DisplayMessage: "consul is not there" })],
      "setup",
      "consul is not there",
      undefined,
    ],
    [
      "the last failure",
      [ended(1), event("Started"), ended(2), event("Not Restarting")],
      "exit_code",
      "2",
      undefined,
    ],
    ["the end of a service", [ended(0), event("Not Restarting")], "exit_code", "0", undefined],
  ] as const)("has %s", (_, events, kind, object, isExec2) => {
    expect(failure(...(events as readonly Event[]))).toMatchObject({ kind, object, isExec2, task: "main" });
  });

  it("is the one that failed first, at its end", () => {
    const later = { ...failedTask(ended(1)), FinishedAt: "2026-12-01T00:00:05Z" };
    const dead = { ...failedTask(ended(9)), Failed: false };
    const found = failureOf(allocation("failed", { later, first: failedTask(ended(2)), dead }));
    expect(found).toMatchObject({ task: "first", object: "2", atMs: Date.parse("2026-12-01T00:00:00Z") });
  });
});

describe("an allocation", () => {
  it("that failed without a task has what the client says", () => {
    for (const tasks of [null, {}])
      expect(failureOf(allocation("failed", tasks, "network hook failed"))).toMatchObject({
        ...{ kind: "client", text: "network hook failed", task: null, atMs: 2e12 },
      });
  });

  it("fails while a task waits to be started again after a bad end, and no longer than that", () => {
    const restarting = { ...failedTask(ended(3), event("Restarting")), State: "pending", Failed: false };
    expect(failureOf(allocation("pending", { main: restarting }))).toMatchObject({ object: "3" });
    const again = {
      ...failedTask(ended(3), event("Restarting"), event("Started")),
      State: "running",
      Failed: false,
    };
    expect(failureOf(allocation("running", { main: again }))).toBeUndefined();
  });

  it.each(["running", "complete", "lost", "unknown", "pending"])("that is %s has not failed", (status) => {
    const state = { State: "dead", Failed: false, FinishedAt: null, Events: [ended(130)] };
    expect(failureOf(allocation(status, { main: state }))).toBeUndefined();
  });
});
