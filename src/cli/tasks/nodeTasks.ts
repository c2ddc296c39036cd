/** Tasks of this node as its event logs have them. */
import { isOver, type StateName } from "../../machines/taskMachine.ts";
import type { EventReader, StreamHead } from "../../store/eventStore.ts";
import { foldReadable } from "../events/taskHistory.ts";
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
        const events = [...log.readStream(stream)];
        return { id: stream, snapshot: foldReadable(events), begunAt: events[0]?.time ?? 0 };
      }),
  );
  return tasks.sort((a, b) => a.begunAt - b.begunAt);
}

function hasEnded(log: EventReader, { stream, version }: StreamHead): boolean {
  const [last] = log.readStream(stream, version);
  return last !== undefined && isOver(last.to as StateName);
}
