import fc from "fast-check";
import { expect, test } from "vitest";
import { StreamWriter } from "../../src/grpc/streamWriter.ts";

/** Accepts `capacity` messages, then none until it is drained. */
class Reader {
  readonly taken: number[] = [];
  #room: number;
  #drained = () => {};

  constructor(capacity: number) {
    this.#room = capacity;
  }

  write(message: number): boolean {
    this.taken.push(message);
    this.#room -= 1;
    return this.#room > 0;
  }

  on(_event: "drain", listener: () => void): void {
    this.#drained = listener;
  }

  drain(room: number): void {
    this.#room = room;
    this.#drained();
  }
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

test("a quick reader gets every message at once", () => {
  const reader = new Reader(Number.POSITIVE_INFINITY);
  const writer = new StreamWriter(reader, () => expect.fail("dropped"));
  for (const message of numbers(1, 5000)) writer.write(message);
  expect(reader.taken).toEqual(numbers(1, 5000));
});

test("a slow reader loses the oldest messages beyond a thousand, which is logged once", () => {
  const reader = new Reader(1);
  let logged = 0;
  const writer = new StreamWriter(reader, () => {
    logged += 1;
  });
  for (const message of numbers(1, 1501)) writer.write(message);
  expect(reader.taken).toEqual([1]);
  reader.drain(Number.POSITIVE_INFINITY);
  expect(reader.taken).toEqual([1, ...numbers(502, 1501)]);
  expect(logged).toBe(1);
});

test("a reader that recovers and becomes slow again is logged again", () => {
  const reader = new Reader(1);
  let logged = 0;
  const writer = new StreamWriter(reader, () => {
    logged += 1;
  });
  for (const message of numbers(1, 1100)) writer.write(message);
  reader.drain(2000);
  reader.drain(1);
  for (const message of numbers(1, 1100)) writer.write(message);
  expect(logged).toBe(2);
});

test("whenever the reader drains, order is kept, nothing is lost below the bound, and the end comes last", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 200 }),
      fc.integer({ min: 1, max: 3 }),
      (rooms, capacity) => {
        const reader = new Reader(capacity);
        const writer = new StreamWriter(reader, () => expect.fail("dropped"));
        let ended = 0;
        rooms.forEach((room, index) => {
          writer.write(index);
          if (room > 0) reader.drain(room);
        });
        writer.end(() => {
          ended += 1;
          expect(reader.taken).toEqual(rooms.map((_, index) => index));
        });
        if (ended === 0) reader.drain(Number.POSITIVE_INFINITY);
        expect(ended).toBe(1);
      },
    ),
  );
});
