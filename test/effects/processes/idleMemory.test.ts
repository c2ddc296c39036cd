import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IdleMemory, idleMemoryMs } from "../../../src/effects/processes/idleMemory.ts";

const [releases, collections] = vi.hoisted(() => [vi.fn(), vi.fn()]);
vi.mock("../../../src/effects/processes/ownMemory.ts", () => ({
  releaseMemory: async () => releases(),
  collectGarbage: () => collections(),
}));

beforeEach(() => {
  vi.useFakeTimers();
  releases.mockReset();
  collections.mockReset();
});
afterEach(() => vi.useRealTimers());

test("memory is given back some time after a task has ended, once", () => {
  const memory = new IdleMemory();
  memory.wake();
  expect(releases).not.toHaveBeenCalled();
  vi.runAllTimers();
  expect(releases).toHaveBeenCalledTimes(1);
  memory.wake();
  vi.runAllTimers();
  expect(releases).toHaveBeenCalledTimes(2);
});

test("while tasks end, passes come at intervals, and garbage is collected in the one that finds peace", () => {
  const memory = new IdleMemory();
  for (let ms = 0; ms < 3 * idleMemoryMs; ms += idleMemoryMs / 10) {
    memory.wake();
    vi.advanceTimersByTime(idleMemoryMs / 10);
  }
  expect(releases).toHaveBeenCalledTimes(3);
  expect(collections).not.toHaveBeenCalled();
  vi.runAllTimers();
  expect(releases).toHaveBeenCalledTimes(4);
  expect(collections).toHaveBeenCalledTimes(1);
});

test("nothing is scheduled without a task's end, or after the plugin's", () => {
  const memory = new IdleMemory();
  expect(vi.getTimerCount()).toBe(0);
  memory.wake();
  memory.close();
  vi.runAllTimers();
  expect(releases).not.toHaveBeenCalled();
});
