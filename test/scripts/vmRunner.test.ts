import { afterEach, expect, test, vi } from "vitest";

afterEach(() => vi.resetModules());

/** A new runner. Its registered cases belong to its module instance. */
const newRunner = () => import("../vm/support/runner.ts");

async function outcomesOf(
  { caseNames, runCases }: Awaited<ReturnType<typeof newRunner>>,
  names = caseNames(),
) {
  const outcomes: [name: string, failure: string | undefined][] = [];
  await runCases(new Set(names), 1, ({ name, failure }) => outcomes.push([name, failure?.split("\n")[0]]));
  return outcomes;
}

test("cases run in their order, with their groups' names, whether earlier cases passed or failed", async () => {
  const runner = await newRunner();
  runner.describe("group", () => {
    runner.test("throws", () => {
      throw new Error("thrown");
    });
    runner.describe("inner", () => runner.test("rejects", () => Promise.reject(new Error("rejected"))));
    runner.test("passes", async () => undefined);
  });
  runner.test("alone", () => undefined);
  expect(await outcomesOf(runner)).toEqual([
    ["group > throws", "Error: thrown"],
    ["group > inner > rejects", "Error: rejected"],
    ["group > passes", undefined],
    ["alone", undefined],
  ]);
});

test("only the requested cases run", async () => {
  const runner = await newRunner();
  const ran = vi.fn();
  runner.test("one", ran);
  runner.test("other", () => undefined);
  expect(await outcomesOf(runner, ["other"])).toEqual([["other", undefined]]);
  expect(ran).not.toHaveBeenCalled();
});

test("the clean-up of a case runs after it, the last registered work first, and a failed clean-up fails the case", async () => {
  const runner = await newRunner();
  const done: string[] = [];
  runner.test("one", () => {
    runner.onTestFinished(() => done.push("first"));
    runner.onTestFinished(() => Promise.reject(new Error("not cleaned up")));
    runner.onTestFinished(() => done.push("last"));
  });
  runner.test("other", () => void done.push("other"));
  expect(await outcomesOf(runner)).toEqual([
    ["one", "Error: not cleaned up"],
    ["other", undefined],
  ]);
  expect(done).toEqual(["last", "first", "other"]);
});

test("work for the end runs after all cases, and its failure fails the run", async () => {
  const runner = await newRunner();
  const done: string[] = [];
  runner.afterAll(() => {
    done.push("end");
    throw new Error("not ended");
  });
  runner.test("case", () => void done.push("case"));
  await expect(outcomesOf(runner)).rejects.toThrow("not ended");
  expect(done).toEqual(["case", "end"]);
});

test("a case that does not end fails, and the next one runs", async () => {
  vi.useFakeTimers();
  const runner = await newRunner();
  runner.test("stuck", () => new Promise(() => undefined));
  runner.test("next", () => undefined);
  const outcomes = outcomesOf(runner);
  await vi.runAllTimersAsync();
  vi.useRealTimers();
  expect(await outcomes).toEqual([
    ["stuck", "Error: not over after 90000 ms"],
    ["next", undefined],
  ]);
});
