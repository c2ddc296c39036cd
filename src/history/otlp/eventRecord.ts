/** An event of a task as a log record of OpenTelemetry. Pure. */
import { allocationOf, taskName } from "../../base/taskId.ts";
import { isWrong, summarize, type TaskEvent } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { visible } from "../../units/visible.ts";
import { maskEvent } from "../replay/mask.ts";
import { rootSpanOf, traceOf } from "../traces/taskTrace.ts";

export interface EventRecord {
  /** Such as `exec2.exited`. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Whether the event reports an error. */
  readonly isWrong: boolean;
  /** The event in one line, with masked arguments. */
  readonly text: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** The trace of the task, and its span for the whole task. */
  readonly trace: string;
  readonly span: string;
  /** Name of the node; null if it is unknown. */
  readonly node: string | null;
}

/**
 * @param id of the task
 * @param from the state before the event
 * @param context after the event
 */
export function eventRecord(
  id: string,
  event: TaskEvent,
  from: string,
  { request }: TaskContext,
): EventRecord {
  const masked = maskEvent(event);
  const texts = {
    "nomad.alloc.id": allocationOf(id),
    "nomad.task.name": taskName(id),
    "nomad.task.run": id,
    "nomad.job.id": request?.jobId,
    "nomad.group.name": request?.groupName,
    "nomad.namespace": request?.namespace,
    "nomad.node.name": request?.nodeName,
  };
  const known = Object.entries(texts).flatMap(([name, text]) => (text ? [[name, visible(text)]] : []));
  return {
    name: `exec2.${event.type}`,
    time: event.time,
    isWrong: isWrong(event, from),
    text: summarize(masked),
    attributes: Object.fromEntries(known),
    trace: traceOf(id),
    span: rootSpanOf(id),
    node: request?.nodeName ? visible(request.nodeName) : null,
  };
}
