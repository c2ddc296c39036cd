/** `why`: explains how a task ended, and what led to its end. */
import { keptEndIn, lastLinesOf } from "../../../history/keptEnd.ts";
import { History } from "../../../history/replay/history.ts";
import { maskEvent } from "../../../history/replay/mask.ts";
import { earlierRunSentences } from "../../../history/why/earlierRuns.ts";
import { explain } from "../../../history/why/explain.ts";
import { asOnHost } from "../../../history/why/presence.ts";
import { waitingOutput } from "../../../history/why/waitingOutput.ts";
import { EventLogs, type TaskPlace } from "../../histories/eventLogs.ts";
import { print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { whyJson, whyText } from "./whyView.ts";

/** Lines of the kept output: `logs` shows all of it. */
const maxLines = 12;

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`
 */
export async function showWhy(place: TaskPlace, json: boolean): Promise<number> {
  await using logs = await EventLogs.openFor(place);
  const { history: whole, note } = logs.history(place, true);
  // Masked arguments would hide that they differ. The sentences never show them. What root's own log has of an end,
  // the last message of the output and the objects of failed calls, root may see; a bundle has it masked.
  const others = earlierRunSentences(whole, logs.earlierRuns(place));
  const masked = new History(
    whole.stream,
    whole.events.map((event) => (event.type === "exited" ? event : maskEvent(event))),
  );
  const explained = explain(masked, logs.usage(place), others);
  const waiting = waitingOutput(whole.finalState.context);
  const kept = keptEndIn(whole.events);
  const told = {
    ...explained,
    sentences: [...explained.sentences, ...waiting],
    ...(kept && { lastLines: lastLinesOf(kept, maxLines) }),
  };
  const explanation = asOnHost(told, whole);
  const { stdout } = process;
  const text = json ? whyJson(explanation) : whyText(explanation, note, styleFor(stdout), widthOf(stdout));
  print(text);
  return 0;
}
