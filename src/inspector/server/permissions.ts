/** The permissions of a task, from all its observed runs. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { parentJob } from "../../base/jobName.ts";
import { type ObservedRun, observedRun } from "../../history/policy/observedRun.ts";
import { policiesOf } from "../../history/policy/policy.ts";
import { type PermissionsView, permissionsView } from "../views/permissionsView.ts";
import { bitOf, type TaskSummary } from "../views/taskSummary.ts";
import type { TaskIndex } from "./taskIndex.ts";

/** Maximum number of observed runs that are read for one answer, a millisecond or two each. */
const maxRuns = 1_000;

const observedBit = bitOf("observed");

/**
 * Undefined if there is no such task.
 * @param isWanted returns false once nobody waits for the answer
 */
export async function permissionsOf(
  index: TaskIndex,
  id: string,
  isWanted: () => boolean,
): Promise<PermissionsView | undefined> {
  const own = index.row(id);
  const context = own && (await index.present(id))?.state.context;
  if (own === undefined || context === undefined) return undefined;
  const rows = index.rows().filter((row) => isSameTask(row, own) && (row.seen & observedBit) !== 0);
  const newest = rows.toSorted((one, other) => other.begunAt - one.begunAt).slice(0, maxRuns);
  const runs: ObservedRun[] = [];
  for (const row of newest) {
    if (!isWanted()) break;
    // Its paths are needed unmasked. The answer has entries of options only.
    const history = index.unmasked(row.id);
    const run = history && observedRun(history.finalState.context, history.events);
    if (run !== undefined) runs.push(run);
    await nextTurn();
  }
  const [policy] = policiesOf(runs);
  return permissionsView(policy, context, rows.length - newest.length);
}

function isSameTask(one: TaskSummary, other: TaskSummary): boolean {
  return (
    one.namespace === other.namespace &&
    parentJob(one.job ?? "") === parentJob(other.job ?? "") &&
    one.group === other.group &&
    one.task === other.task
  );
}
