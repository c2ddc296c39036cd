/** `diff`: shows two tasks' histories side by side. */
import type { History } from "../../../history/replay/history.ts";
import { diffHistories } from "../../../history/replay/historyDiff.ts";
import { EventLogs, type TaskPlace } from "../../histories/eventLogs.ts";
import { print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { DiffView, diffJson } from "./diffView.ts";

export interface DiffOptions {
  readonly showArgs: boolean;
  readonly json: boolean;
}

/**
 * @returns the exit code: 0 if nothing differs, 1 if something does
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`, `BUNDLE_INVALID`
 */
export async function showDiff(
  left: TaskPlace,
  right: TaskPlace,
  { showArgs, json }: DiffOptions,
): Promise<number> {
  const [a, b] = await histories(left, right);
  const diff = diffHistories(a, b, { showArgs });
  const { stdout } = process;
  const text = json ? diffJson(diff) : new DiffView(styleFor(stdout), widthOf(stdout)).text(diff);
  print(text);
  return diff.same ? 0 : 1;
}

/** Reads two histories unmasked, because possible secrets are compared, too, even if they are not shown. */
async function histories(left: TaskPlace, right: TaskPlace): Promise<[History, History]> {
  await using logs = await EventLogs.openFor(left);
  const a = logs.history(left, true).history;
  // Usually one log holds both histories, but one of them may be only in the archive.
  const isSame = right.path === left.path && logs.folders.length > 0 && logs.has(right);
  return [a, isSame ? logs.history(right, true).history : await historyAt(right)];
}

async function historyAt(place: TaskPlace): Promise<History> {
  await using logs = await EventLogs.openFor(place);
  return logs.history(place, true).history;
}
