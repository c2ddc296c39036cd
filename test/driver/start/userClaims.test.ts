import { describe, expect, it } from "vitest";
import { toTaskId } from "../../../src/base/taskId.ts";
import { UserClaims } from "../../../src/driver/start/userClaims.ts";
import type { TaskEvent } from "../../../src/machines/events.ts";

import { fold, isAlive, type TaskSnapshot } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";

const asked = event("requested", { user: "nomad-80001" });
const begun = [asked, event("fingerprinted"), event("sandboxed", { user: "nomad-80001", uid: 80_001 })];
const running = [...begun, event("started")];
const task = (id: string, events: readonly TaskEvent[]) => ({ id: toTaskId(id), snapshot: fold(events) });
const own = () => task("aa/web/01", [asked]);
const services = (
  sharedDynamicIds: "refuse" | "warn" = "refuse",
  unclaimed: ReturnType<typeof task>[] = [],
) => ({
  options: { sharedDynamicIds },
  unclaimed: new Map(unclaimed.map(({ id, snapshot }) => [id, { snapshot }] as const)),
});
const runs = ({ value }: TaskSnapshot) => isAlive(value);
const claim = (others: ReturnType<typeof task>[], given = services(), user = "nomad-80001") => {
  const starting = own();
  new UserClaims(runs).claim(starting, user, [...others, starting], given);
};
const refusal = expect.objectContaining({
  code: "USER_IN_USE",
  recoverable: true,
  summary: "user nomad-80001 of task aa/web belongs to task bb/db, which runs in another allocation",
});

describe("a dynamic user is refused", () => {
  it.each<[string, TaskEvent[]]>([
    ["that is sandboxed", begun],
    ["that runs", running],
    ["that is stopped", [...running, event("stopRequested")]],
    ["that another driver has started", [asked, event("adopted")]],
  ])("while another allocation has a task with it %s", (_which, events) => {
    expect(() => claim([task("bb/db/01", events)])).toThrow(refusal);
  });

  it("while another allocation has a task with it that no agent has asked for yet", () => {
    expect(() => claim([], services("refuse", [task("bb/db/01", running)]))).toThrow(refusal);
  });

  it("to the second of two starts, and free again once the first has failed", () => {
    const claims = new UserClaims(runs);
    const first = task("bb/db/01", [asked]);
    claims.claim(first, "nomad-80001", [own(), first], services());
    expect(() => claims.claim(own(), "nomad-80001", [first], services())).toThrow(refusal);
    first.snapshot = fold([asked, event("startFailed")]);
    claims.claim(own(), "nomad-80001", [first], services());
  });
});

it.each<[string, ReturnType<typeof task>[]]>([
  ["a task of another allocation has ended", [task("bb/db/01", [...running, event("exited")])]],
  ["a task of its own allocation has it", [task("aa/db/01", running), task("aa/web/00", running)]],
  ["another allocation has only been asked to start a task with it", [task("bb/db/01", [asked])]],
])("a dynamic user is free if %s", (_why, others) => {
  claim(others, services("refuse", others));
});

it("a user of the host has no owner, and the operator can allow shared users", () => {
  claim([task("bb/db/01", running)], services(), "www-data");
  claim([task("bb/db/01", running)], services("warn"));
});
