/** A list with a row for each task folds the task's runs, across logs. */
import { describe, expect, it } from "vitest";
import { newestTasks, runCount } from "../../../src/cli/histories/runsOfTasks.ts";
import { life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";

/** A log with runs of these names, the first of which begins at a time. */
function logOf(names: readonly string[], beginsAt: number) {
  const log = new RecordedLog();
  for (const [index, name] of names.entries()) {
    const events = life("ended").map((each) => ({ ...each, time: beginsAt + index * 100 }));
    log.add(name, events);
  }
  const reader = log.reader();
  return Array.from(reader.streams(), (head) => ({ id: head.stream, head, reader }));
}

const shown = (runs: ReturnType<typeof logOf>, count: number) => {
  const { tasks, all } = newestTasks(runs, count);
  const texts = tasks.map((task) => {
    const { count: number, firstAt } = runCount(task);
    return `${task.newest.id} ×${number} since ${firstAt}`;
  });
  return [texts, all];
};

describe("the tasks of runs", () => {
  const agent = logOf(["a/web/1", "a/web/2", "b/web/3", "a/web/4", "a/db/5"], 1_000);
  const local = logOf(["c/web/6", "c/web/7"], 1_250);

  it("have one entry each, the one with the newest run first", () => {
    expect(shown(agent, 9)).toEqual([
      ["a/db/5 ×1 since 1400", "a/web/4 ×3 since 1000", "b/web/3 ×1 since 1200"],
      3,
    ]);
  });

  it("of several logs are in the order of time", () => {
    expect(shown([...agent, ...local], 9)[0]).toEqual([
      "a/db/5 ×1 since 1400",
      "c/web/7 ×2 since 1250",
      "a/web/4 ×3 since 1000",
      "b/web/3 ×1 since 1200",
    ]);
  });

  it("are counted beyond those that are listed", () => {
    expect(shown([...agent, ...local], 1)).toEqual([["a/db/5 ×1 since 1400"], 4]);
    expect(shown([], 5)).toEqual([[], 0]);
  });
});
