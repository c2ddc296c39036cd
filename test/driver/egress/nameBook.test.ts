import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NameBook } from "../../../src/driver/egress/nameBook.ts";
import type { NameAnswer } from "../../../src/effects/egress/resolveName.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A book whose name server answers with what the test sets, and counts questions. */
function bookWith(first: NameAnswer | string) {
  const server = { answer: first, asked: [] as string[] };
  const book = new NameBook(async (name, servers) => {
    server.asked.push([name, ...servers].join("@"));
    if (typeof server.answer === "string") throw new Error(server.answer);
    return server.answer;
  });
  return { book, server };
}
const answer = (ttlMs: number, ...addresses: string[]): NameAnswer => ({ addresses, unused: 0, ttlMs });
const later = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("a name", () => {
  it("is looked up once for all tasks that use it, and again when its answer is too old", async () => {
    const { book, server } = bookWith(answer(30_000, "10.0.0.2", "10.0.0.1"));
    const one = book.watch("db", [], () => undefined);
    const other = book.watch("db", [], () => undefined);
    await one.tried;
    expect(server.asked).toEqual(["db"]);
    expect(other.addresses).toEqual(["10.0.0.1", "10.0.0.2"]);
    await later(29_999);
    expect(server.asked).toHaveLength(1);
    await later(1);
    expect(server.asked).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(1);
  });

  it("is asked for at the name servers of its task", async () => {
    const { book, server } = bookWith(answer(30_000, "10.0.0.1"));
    await book.watch("db", ["10.0.0.53"], () => undefined).tried;
    await book.watch("db", [], () => undefined).tried;
    expect(server.asked).toEqual(["db@10.0.0.53", "db"]);
  });

  it("says how many of its addresses are not used", async () => {
    const { book, server } = bookWith({ ...answer(30_000, "10.0.0.1"), unused: 6_336 });
    const name = book.watch("many", [], () => undefined);
    await name.tried;
    expect(name.problem).toBe("6336 more of its addresses are not used");
    server.answer = answer(30_000, "10.0.0.1");
    await later(30_000);
    expect(name).toMatchObject({ latest: ["10.0.0.1"], problem: null });
  });

  it("keeps the addresses of the last two answers, and tells of changes only", async () => {
    const { book, server } = bookWith(answer(60_000, "10.0.0.1"));
    const onChange = vi.fn();
    const name = book.watch("db", [], onChange);
    await name.tried;
    expect(onChange).toHaveBeenCalledTimes(1);
    await later(60_000);
    expect(onChange).toHaveBeenCalledTimes(1);
    server.answer = answer(60_000, "10.0.0.2");
    await later(60_000);
    expect(name.addresses).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(name.latest).toEqual(["10.0.0.2"]);
    await later(60_000);
    expect(name.addresses).toEqual(["10.0.0.2"]);
    expect(onChange).toHaveBeenCalledTimes(3);
  });

  it.each([
    ["0 s", 0, 10_000],
    ["a day", 86_400_000, 300_000],
  ])("with a time to live of %s is looked up within bounds", async (_text, ttlMs, expected) => {
    const { book, server } = bookWith(answer(ttlMs, "10.0.0.1"));
    await book.watch("db", [], () => undefined).tried;
    await later(expected - 1);
    expect(server.asked).toHaveLength(1);
    await later(1);
    expect(server.asked).toHaveLength(2);
  });

  it("that has no address is tried again, ever more seldom, until it has one", async () => {
    const { book, server } = bookWith("there is no such name");
    const onChange = vi.fn();
    const name = book.watch("db", [], onChange);
    await name.tried;
    expect(name).toMatchObject({ isResolved: false, addresses: [], problem: "there is no such name" });
    const asked = [];
    for (let minute = 0; minute < 5; minute += 1) {
      await later(60_000);
      asked.push(server.asked.length);
    }
    // After 5, 15, 35 and 75 s, and then every minute.
    expect(asked).toEqual([4, 5, 6, 7, 8]);
    expect(onChange).toHaveBeenCalledTimes(1);
    server.answer = answer(60_000, "10.0.0.1");
    await later(60_000);
    expect(name).toMatchObject({ isResolved: true, addresses: ["10.0.0.1"], problem: null });
  });

  it("keeps its addresses while it cannot be looked up", async () => {
    const { book, server } = bookWith(answer(60_000, "10.0.0.1"));
    const name = book.watch("db", [], () => undefined);
    await name.tried;
    server.answer = "no name server answered";
    await later(600_000);
    expect(name).toMatchObject({ addresses: ["10.0.0.1"], problem: "no name server answered" });
  });

  it("is not looked up any more once no task uses it", async () => {
    const { book, server } = bookWith(answer(30_000, "10.0.0.1"));
    const one = book.watch("db", [], () => undefined);
    const other = book.watch("db", [], () => undefined);
    await one.tried;
    one[Symbol.dispose]();
    await later(30_000);
    expect(server.asked).toHaveLength(2);
    other[Symbol.dispose]();
    expect(book.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    await later(300_000);
    expect(server.asked).toHaveLength(2);
  });

  it("whose look-up ends after its last task sets no timer", async () => {
    const { book } = bookWith(answer(30_000, "10.0.0.1"));
    const name = book.watch("db", [], () => undefined);
    name[Symbol.dispose]();
    await name.tried;
    expect(vi.getTimerCount()).toBe(0);
  });
});
