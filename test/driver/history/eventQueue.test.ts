import { describe, expect, it } from "vitest";
import { EventQueue } from "../../../src/driver/history/eventQueue.ts";
import type { EventToAppend } from "../../../src/store/eventStore.ts";
import { refusingStore } from "../../support/history/memoryEventStore.ts";

function fact(type: string): EventToAppend {
  return { type, schema: 1, time: 1, data: {}, from: "a", to: "b", effects: [] };
}

function setUp() {
  const store = refusingStore();
  const stored = () => [...store.readStream("task")].map(({ type }) => type);
  return { store, stored, queue: new EventQueue(store, "task", 0) };
}

describe("the event queue of a task", () => {
  it("resolves once the event is stored", async () => {
    const { queue, stored } = setUp();
    await queue.append(fact("one"));
    expect(stored()).toEqual(["one"]);
  });

  it("stores deferred events in one transaction with urgent ones, in order", async () => {
    const { queue, store, stored } = setUp();
    const waiting = ["one", "two"].map((type) => queue.append(fact(type), true));
    await Promise.resolve();
    expect(store.appends).toBe(0);
    await Promise.all([...waiting, queue.append(fact("three"))]);
    expect(stored()).toEqual(["one", "two", "three"]);
    expect(store.appends).toBe(1);
  });

  it("stores deferred events even if nothing follows", async () => {
    const { queue, store, stored } = setUp();
    await Promise.all(["one", "two"].map((type) => queue.append(fact(type), true)));
    expect(stored()).toEqual(["one", "two"]);
    expect(store.appends).toBe(1);
  });

  it("resolves appends in the order in which they were made", async () => {
    const { queue } = setUp();
    const resolved: string[] = [];
    const first = queue.append(fact("one")).then(() => resolved.push("one"));
    await Promise.resolve();
    await Promise.resolve();
    const second = queue.append(fact("two")).then(() => resolved.push("two"));
    await Promise.all([first, second]);
    expect(resolved).toEqual(["one", "two"]);
  });

  it("keeps refused events, and stores them before the next event", async () => {
    const { queue, store, stored } = setUp();
    await queue.append(fact("one"));
    store.full = true;
    await expect(queue.append(fact("two"))).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(stored()).toEqual(["one"]);
    store.full = false;
    await queue.append(fact("three"));
    expect(stored()).toEqual(["one", "two", "three"]);
  });

  it("refuses to write over another writer's events", async () => {
    const { store } = setUp();
    await store.append("task", 0, [fact("other")]);
    const late = new EventQueue(store, "task", 0);
    await expect(late.append(fact("one"))).rejects.toMatchObject({ code: "WRONG_EXPECTED_VERSION" });
  });
});
