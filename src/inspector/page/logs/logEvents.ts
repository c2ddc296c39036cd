/**
 * The events to show among a task's output: all events of the shown run, and the starts, states and outcomes of
 * the task's other runs. Pure.
 */
import type { LaneRun } from "../../views/allocation/allocationView.ts";
import type { LaneStep } from "../../views/allocation/runLane.ts";
import type { LogEvent } from "./mergeEvents.ts";

/**
 * @param id the shown run's id
 * @param runs all runs of the task
 */
export function logEvents(id: string, steps: readonly LaneStep[], runs: readonly LaneRun[]): LogEvent[] {
  const own = steps.map((step) => ({ id, ...step }));
  const others = runs.flatMap((run) => (run.id === id ? [] : eventsOf(run)));
  return [...own, ...others].sort((a, b) => a.time - b.time);
}

function eventsOf({ id, begunAt, overAt, outcome, periods }: LaneRun): LogEvent[] {
  const events = periods
    .filter(({ state }) => state === "running" || state === "stopping" || state === "killing")
    .map(({ state, from }) => ({ id, seq: null, time: from, text: `Another run: ${state}`, bad: false }));
  const begun = { id, seq: null, time: begunAt, text: "Another run: start requested", bad: false };
  const bad = outcome.tone === "bad";
  const over =
    overAt === null ? [] : [{ id, seq: null, time: overAt, text: `Another run: ${outcome.text}`, bad }];
  return [begun, ...events, ...over];
}
