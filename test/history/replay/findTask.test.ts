import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { localAllocationId } from "../../../src/base/taskId.ts";
import { findRuns, hasRuns } from "../../../src/history/replay/findTask.ts";

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
    [undefined, [1, 2, 3, 4]],
  ])("by %j are %j", (text, numbers) => {
    expect(findRuns(text, runs).map(({ id }) => Number(id.at(-1)))).toEqual(numbers);
  });

  it("are suggested if the name is similar to theirs", () => {
    expect(() => findRuns("wbe", runs)).toThrow(
      "no task is called wbe, and no id begins with it. Did you mean web?",
    );
  });

  it("are those of an instance by the label that run prints, unless a task has this name", () => {
    const ids = [0, 1, 12, 65_535].map((index) => localAllocationId(randomUUID(), index));
    const labelled = ids.map((allocation) => ({ id: `${allocation}/web/1` }));
    expect(findRuns("web[12]", labelled)).toEqual([labelled[2]]);
    expect(findRuns("web[65535]", labelled)).toEqual([labelled[3]]);
    expect(() => findRuns("web[2]", labelled)).toThrow("no task is called web[2]");
    expect(() => findRuns("db[0]", labelled)).toThrow("no task is called db[0]");
    const named = [...labelled, { id: "aaaa-1/web[1]/1" }];
    expect(findRuns("web[1]", named)).toEqual([named[4]]);
  });

  it("are none for an empty name", () => {
    expect(() => findRuns("", runs)).toThrow(expect.objectContaining({ code: "TASK_NOT_FOUND" }));
    expect(hasRuns("", runs)).toBe(false);
  });

  it("cannot be found in an empty log", () => {
    expect(() => findRuns("web", [])).toThrow("the log has no tasks");
  });
});
