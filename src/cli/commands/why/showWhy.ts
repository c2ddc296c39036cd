/** `why`: explains how a task ended, and what led to its end. */
import { earlierRunSentences } from "../../../history/why/earlierRuns.ts";
import { explain } from "../../../history/why/explain.ts";
import { EventLogs, type TaskPlace } from "../../histories/eventLogs.ts";
import { print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { whyJson, whyText } from "./whyView.ts";

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`
 */
export async function showWhy(place: TaskPlace, json: boolean): Promise<number> {
  await using logs = await EventLogs.openFor(place);
  const { history, note } = logs.history(place, false);
  // Masked arguments would hide that they differ. The sentences never show them.
  const others = earlierRunSentences(logs.history(place, true).history, logs.earlierRuns(place));
  const explanation = explain(history, logs.usage(place), others);
  const { stdout } = process;
  const text = json ? whyJson(explanation) : whyText(explanation, note, styleFor(stdout), widthOf(stdout));
  print(text);
  return 0;
}
