import { expect, it, vi } from "vitest";
import { Semaphore } from "../../../src/driver/run/semaphore.ts";
import { eventually } from "../../support/host/eventually.ts";

/** Work that ends when the test ends it. */
function started(semaphore: Semaphore, count: number) {
  const began: number[] = [];
  const ends: (() => void)[] = [];
  const results = Array.from({ length: count }, (_, number) =>
    semaphore.run(async () => {
      began.push(number);
      await new Promise<void>((resolve) => {
        ends[number] = resolve;
      });
      return number;
    }),
  );
  return { began, ends, results };
}

it("a limited number of functions runs at once, and the others follow in order", async () => {
  const { began, ends, results } = started(new Semaphore(2, 60_000), 4);
  await Promise.resolve();
  expect(began).toEqual([0, 1]);
  ends[1]?.();
  expect(await results[1]).toBe(1);
  await eventually(() => expect(began).toEqual([0, 1, 2]));
  for (const end of ends) end?.();
  await eventually(() => expect(began).toEqual([0, 1, 2, 3]));
  ends[3]?.();
  expect(await Promise.all(results)).toEqual([0, 1, 2, 3]);
});

it("a function that fails passes on its failure, and frees its place", async () => {
  const semaphore = new Semaphore(1, 60_000);
  await expect(semaphore.run(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
  expect(await semaphore.run(async () => "next")).toBe("next");
});

it("a function that takes too long frees its place, but only once", async () => {
  vi.useFakeTimers();
  try {
    const { began, ends } = started(new Semaphore(1, 100), 3);
    await vi.advanceTimersByTimeAsync(99);
    expect(began).toEqual([0]);
    await vi.advanceTimersByTimeAsync(1);
    expect(began).toEqual([0, 1]);
    ends[0]?.();
    await vi.advanceTimersByTimeAsync(1);
    expect(began).toEqual([0, 1]);
    ends[1]?.();
    await vi.advanceTimersByTimeAsync(1);
    expect(began).toEqual([0, 1, 2]);
  } finally {
    vi.useRealTimers();
  }
});
