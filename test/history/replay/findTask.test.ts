import { describe, expect, it } from "vitest";
import { findRuns } from "../../../src/history/replay/findTask.ts";

const runs = ["aaaa-1/web/1", "aaaa-1/web/2", "aabb-2/db/3", "ccdd-3/web/4"].map((id) => ({ id }));

describe("the runs that a person names", () => {
  it.each([
    ["aaaa-1/web/1", [1]],
    ["db", [3]],
    ["web", [1, 2, 4]],
    ["cc", [4]],
    ["aa", [1, 2, 3]],
    ["aa/web", [1, 2]],
    ["ccdd-3/web", [4]],
    ["", [1, 2, 3, 4]],
  ])("by %j are %j", (text, numbers) => {
    expect(findRuns(text, runs).map(({ id }) => Number(id.at(-1)))).toEqual(numbers);
  });

  it("are suggested if the name is similar to theirs", () => {
    expect(() => findRuns("wbe", runs)).toThrow(
      "no task is called wbe, and no id begins with it. Did you mean web?",
    );
  });

  it("cannot be found in an empty log", () => {
    expect(() => findRuns("web", [])).toThrow("the log has no tasks");
  });
});
