/** Tasks of this node, from its event logs. */
import { isOver } from "../../machines/taskMachine.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, StreamHead } from "../../store/eventStore.ts";
import { readUpToDamage } from "../logs/readUpToDamage.ts";
import { foldReadable } from "../logs/taskHistory.ts";
import type { NodeTask } from "./taskRow.ts";

/**
 * The tasks in the order of their requests.
 * @param ended whether to include ended tasks; without them, only their last events are read
 */
export function nodeTasks(logs: readonly EventReader[], ended: boolean): NodeTask[] {
  const tasks = logs.flatMap((log) =>
    [...log.streams()]
      .filter((head) => ended || !hasEnded(log, head))
      .map(({ stream }): NodeTask => {
        const { events } = readUpToDamage(log, stream);
        return { id: stream, snapshot: foldReadable(events), begunAt: events[0]?.time ?? 0 };
      }),
  );
  return tasks.sort((a, b) => a.begunAt - b.begunAt);
}

/** A task whose last event is damaged counts as running; the host then shows whether it is. */
function hasEnded(log: EventReader, { stream, version }: StreamHead): boolean {
  const [bytes] = log.readRecords(stream, version);
  const last = bytes && readRecord(bytes);
  return last !== undefined && !isDefect(last) && isOver(last.event.to);
}
