import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IdleMemory, idleMemoryMs } from "../../../src/effects/processes/idleMemory.ts";

const [releases, collections, heap] = vi.hoisted(() => [vi.fn(), vi.fn(), { mib: 0 }]);
vi.mock("../../../src/effects/processes/ownMemory.ts", () => ({
  releaseMemory: async () => releases(),
  collectGarbage: () => {
    heap.mib = 20;
    collections();
  },
  heapBytes: () => heap.mib << 20,
}));

beforeEach(() => {
  vi.useFakeTimers();
  releases.mockReset();
  collections.mockReset();
  heap.mib = 60;
});
afterEach(() => vi.useRealTimers());

test("memory is released once, some time after a task has ended", () => {
  const memory = new IdleMemory();
  memory.wake();
  expect(releases).not.toHaveBeenCalled();
  vi.runAllTimers();
  expect(releases).toHaveBeenCalledTimes(1);
  memory.wake();
  vi.runAllTimers();
  expect(releases).toHaveBeenCalledTimes(2);
});

test("a busy process releases memory at intervals, and collects garbage once it is idle", () => {
  const memory = new IdleMemory();
  for (let ms = 0; ms < 3 * idleMemoryMs; ms += idleMemoryMs / 10) {
    memory.wake();
    vi.advanceTimersByTime(idleMemoryMs / 10);
  }
  expect(releases).toHaveBeenCalledTimes(3);
  expect(collections).not.toHaveBeenCalled();
  vi.runAllTimers();
  expect(collections).toHaveBeenCalledTimes(1);
  expect(releases.mock.calls.length).toBeLessThanOrEqual(5);
  expect(vi.getTimerCount()).toBe(0);
});

test("garbage is collected at a fixed time after the last task's end", () => {
  for (const ms of [1, idleMemoryMs / 2, idleMemoryMs - 1]) {
    const memory = new IdleMemory();
    heap.mib = 60;
    collections.mockReset();
    memory.wake();
    vi.advanceTimersByTime(ms);
    memory.wake();
    vi.advanceTimersByTime(idleMemoryMs - 1);
    expect(collections).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2);
    expect(collections).toHaveBeenCalledTimes(1);
  }
});

test("a heap that has hardly grown is not collected", () => {
  const memory = new IdleMemory();
  memory.wake();
  vi.runAllTimers();
  for (const [mib, expected] of [
    [21, 1],
    [40, 2],
  ] as const) {
    heap.mib = mib;
    memory.wake();
    vi.runAllTimers();
    expect(collections).toHaveBeenCalledTimes(expected);
  }
  expect(releases).toHaveBeenCalledTimes(3);
});

test("nothing is scheduled without a task's end, or after the plugin's end", () => {
  const memory = new IdleMemory();
  expect(vi.getTimerCount()).toBe(0);
  memory.wake();
  memory.close();
  vi.runAllTimers();
  expect(releases).not.toHaveBeenCalled();
});
