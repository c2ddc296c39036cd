import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IdleMemory } from "../../src/driver/idleMemory.ts";

const releases = vi.hoisted(() => vi.fn());
vi.mock("../../src/effects/processes/ownMemory.ts", () => ({ releaseMemory: async () => releases() }));

beforeEach(() => {
  vi.useFakeTimers();
  releases.mockReset();
});
afterEach(() => vi.useRealTimers());

test("memory is given back once, some time after the first of many tasks has ended", () => {
  const memory = new IdleMemory();
  for (let task = 0; task < 100; task++) memory.wake();
  expect(releases).not.toHaveBeenCalled();
  vi.runAllTimers();
  expect(releases).toHaveBeenCalledTimes(1);
  memory.wake();
  vi.runAllTimers();
  expect(releases).toHaveBeenCalledTimes(2);
});

test("nothing is scheduled without a task's end, or after the plugin's", () => {
  const memory = new IdleMemory();
  expect(vi.getTimerCount()).toBe(0);
  memory.wake();
  memory.close();
  vi.runAllTimers();
  expect(releases).not.toHaveBeenCalled();
});
