/** Tasks of this node as its event logs have them. */
import { isOver } from "../../machines/taskMachine.ts";
import { isDefect, readRecord } from "../../store/eventRecord.ts";
import type { EventReader, StreamHead } from "../../store/eventStore.ts";
import { readUpToDamage } from "../logs/readUpToDamage.ts";
import { foldReadable } from "../logs/taskHistory.ts";
import type { NodeTask } from "./taskRow.ts";

/**
 * In the order in which they were asked for.
 * @param ended those that are over, too; otherwise of them the last event alone is read
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

/** One whose last event is damaged is taken for a task that may run: then the host is asked. */
function hasEnded(log: EventReader, { stream, version }: StreamHead): boolean {
  const [bytes] = log.readRecords(stream, version);
  const last = bytes && readRecord(bytes);
  return last !== undefined && !isDefect(last) && isOver(last.event.to);
}
