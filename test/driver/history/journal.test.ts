import { describe, expect, it } from "vitest";
import { Journal } from "../../../src/driver/history/journal.ts";
import type { EventToAppend } from "../../../src/store/eventStore.ts";
import { refusingStore } from "../../support/history/memoryEventStore.ts";

function fact(type: string): EventToAppend {
  return { type, schema: 1, time: 1, data: {}, from: "a", to: "b", effects: [] };
}

function setUp() {
  const store = refusingStore();
  const stored = () => [...store.readStream("task")].map(({ type }) => type);
  return { store, stored, journal: new Journal(store, "task", 0) };
}

describe("the journal of a task", () => {
  it("resolves once the event is stored", async () => {
    const { journal, stored } = setUp();
    await journal.append(fact("one"));
    expect(stored()).toEqual(["one"]);
  });

  it("stores deferred events in one transaction with urgent ones, in order", async () => {
    const { journal, store, stored } = setUp();
    const waiting = ["one", "two"].map((type) => journal.append(fact(type), true));
    await Promise.resolve();
    expect(store.appends).toBe(0);
    await Promise.all([...waiting, journal.append(fact("three"))]);
    expect(stored()).toEqual(["one", "two", "three"]);
    expect(store.appends).toBe(1);
  });

  it("stores deferred events even if nothing follows", async () => {
    const { journal, store, stored } = setUp();
    await Promise.all(["one", "two"].map((type) => journal.append(fact(type), true)));
    expect(stored()).toEqual(["one", "two"]);
    expect(store.appends).toBe(1);
  });

  it("resolves appends in the order in which they were made", async () => {
    const { journal } = setUp();
    const resolved: string[] = [];
    const first = journal.append(fact("one")).then(() => resolved.push("one"));
    await Promise.resolve();
    await Promise.resolve();
    const second = journal.append(fact("two")).then(() => resolved.push("two"));
    await Promise.all([first, second]);
    expect(resolved).toEqual(["one", "two"]);
  });

  it("keeps refused events, and stores them before the next event", async () => {
    const { journal, store, stored } = setUp();
    await journal.append(fact("one"));
    store.full = true;
    await expect(journal.append(fact("two"))).rejects.toMatchObject({ code: "STORE_FAILED" });
    expect(stored()).toEqual(["one"]);
    store.full = false;
    await journal.append(fact("three"));
    expect(stored()).toEqual(["one", "two", "three"]);
  });

  it("refuses to write over another writer's events", async () => {
    const { store } = setUp();
    await store.append("task", 0, [fact("other")]);
    const late = new Journal(store, "task", 0);
    await expect(late.append(fact("one"))).rejects.toMatchObject({ code: "WRONG_EXPECTED_VERSION" });
  });
});
