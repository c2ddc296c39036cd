/** Which connections are to what was removed from a task's egress. */
import { expect, it } from "vitest";
import { removedEgress } from "../../../src/cli/commands/egress/removedEgress.ts";
import { type EventData, type TaskEvent, taskEvent } from "../../../src/machines/events.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { sampleData } from "../../support/history/history.ts";

const names = (address: string) => [{ name: "db.example.org", addresses: [address], problem: null }];

function removedBy(...changes: readonly TaskEvent[]) {
  const egress = {
    allowed: ["192.0.2.7", "db.example.org:443"],
    denied: ["192.0.2.66"],
    names: names("198.51.100.1"),
  };
  const events = [
    taskEvent("requested", 1, sampleData("requested")),
    taskEvent("fingerprinted", 1, sampleData("fingerprinted")),
    taskEvent("sandboxed", 1, { ...sampleData("sandboxed"), egress }),
    taskEvent("started", 1, sampleData("started")),
    ...changes,
  ];
  const isRemoved = removedEgress({ context: fold(events).context, events });
  return (to: string) => {
    const [protocol, address = "", port] = to.split(" ");
    return isRemoved?.({ protocol: protocol as "tcp", address, port: Number(port) });
  };
}

const change = (allowed: string[], removed: string[], address = "198.51.100.2"): TaskEvent => {
  const hasName = allowed.some((each) => each.startsWith("db."));
  const data: EventData<"egressChanged"> = {
    ...{ allowed, removed, added: [], by: "root", reason: "" },
    names: hasName ? names(address) : [],
  };
  return taskEvent("egressChanged", 2, data);
};

it("are those that a removed entry allowed, and no present one does", () => {
  const isRemoved = removedBy(change(["db.example.org:443"], ["192.0.2.7"]));
  expect(isRemoved("tcp 192.0.2.7 80")).toBe(true);
  expect(isRemoved("udp 192.0.2.7 80")).toBe(true);
  expect(isRemoved("tcp 198.51.100.1 443")).toBe(false);
  // Came in, or by a list that is older than the task's history.
  expect(isRemoved("tcp 203.0.113.5 4711")).toBe(false);
  expect(isRemoved("tcp 127.0.0.1 80")).toBe(false);
});

it("have all addresses that a removed name had, and none that a present one had", () => {
  const moved = taskEvent("namesResolved", 2, { names: names("198.51.100.3") });
  const removed = removedBy(moved, change(["192.0.2.7"], ["db.example.org:443"]));
  expect(removed("tcp 198.51.100.1 443")).toBe(true);
  expect(removed("tcp 198.51.100.3 443")).toBe(true);
  expect(removed("tcp 198.51.100.3 80")).toBe(false);
  const kept = removedBy(moved, change(["db.example.org:443"], ["192.0.2.7"]));
  expect(kept("tcp 198.51.100.1 443")).toBe(false);
});

it("are none once the entry is back, and with the next change those of all before", () => {
  expect(removedBy()("tcp 192.0.2.7 80")).toBeUndefined();
  const back = removedBy(
    change(["db.example.org:443"], ["192.0.2.7"]),
    change(["db.example.org:443", "192.0.2.7"], []),
  );
  expect(back("tcp 192.0.2.7 80")).toBeUndefined();
  const both = removedBy(change(["db.example.org:443"], ["192.0.2.7"]), change([], ["db.example.org:443"]));
  expect(both("tcp 192.0.2.7 80")).toBe(true);
  expect(both("tcp 198.51.100.2 443")).toBe(true);
});
