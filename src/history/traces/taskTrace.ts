/**
 * Makes an OpenTelemetry trace of a task's events: one span for the whole task, and below it one span for
 * each state and each command. All ids derive from the task's id, so sending a history again changes nothing.
 * Attributes that are not the driver's own have the names of the semantic conventions:
 * https://opentelemetry.io/docs/specs/semconv/. Pure.
 */
import { createHash } from "node:crypto";
import { posix } from "node:path";
import { allocationOf, taskName } from "../../base/taskId.ts";
import { witnessedKind } from "../../machines/events/cause.ts";
import { summarize, traitsOf } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { isOver } from "../../machines/taskMachine.ts";
import { endText, resultOf } from "../../machines/taskOutline.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { visible } from "../../units/visible.ts";
import { History, type Moment } from "../replay/history.ts";
import { maskEvent } from "../replay/mask.ts";

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface TraceSpan {
  readonly name: string;
  /** 16 hex digits. */
  readonly id: string;
  /** Null for the span of the whole task. */
  readonly parent: string | null;
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly attributes: SpanAttributes;
  readonly events: readonly SpanEvent[];
  /** The error; null if there was none. */
  readonly error: string | null;
}

export interface SpanEvent {
  readonly name: string;
  readonly time: number;
  readonly text: string;
}

export interface TaskTrace {
  /** 32 hex digits. */
  readonly id: string;
  /** Name of the node where the task ran; null if it is unknown. */
  readonly node: string | null;
  readonly spans: readonly TraceSpan[];
}

/**
 * Maximum numbers of command spans, and of a span's events: a task may have had thousands of commands and
 * signals.
 */
const maxCommands = 100;
const maxEvents = 100;

/**
 * @param id the task's id
 * @param events all events of the task, in order; this function masks the arguments of commands
 * @returns undefined while the task is not over
 */
export function taskTrace(id: string, events: readonly StoredEvent[]): TaskTrace | undefined {
  const history = new History(id, events.map(maskEvent));
  const moments = [...history.moments()].filter(({ accepted }) => accepted);
  const [first] = moments;
  const end = moments.find(({ after }) => isOver(after.value));
  if (first === undefined || end === undefined) return undefined;
  const { context } = history.finalState;
  const lived = moments.filter(({ seq }) => seq <= end.seq);
  const rootId = rootSpanOf(id);
  const root: TraceSpan = {
    name: `task ${visible(taskName(id))}`,
    id: rootId,
    parent: null,
    from: first.stored.time,
    to: Math.max(first.stored.time, end.stored.time),
    attributes: attributesOf(id, context),
    events: [],
    error: errorOf(context),
  };
  const states = periodsOf(lived).map((period) => stateSpan(period, id, rootId));
  return {
    id: traceOf(id),
    node: context.request?.nodeName ? visible(context.request.nodeName) : null,
    spans: [root, ...states, ...commandSpans(lived, id, rootId)],
  };
}

/** Splits moments into periods: each goes from the moment that entered a state to the moment that left it. */
function periodsOf(moments: readonly Moment[]): Moment[][] {
  const periods: Moment[][] = [];
  for (const moment of moments) {
    const period = periods.at(-1);
    if (period !== undefined) period.push(moment);
    if (period === undefined || moment.after.value !== moment.before.value) periods.push([moment]);
  }
  // The last period is the final state.
  return periods.slice(0, -1);
}

function stateSpan(period: readonly Moment[], stream: string, parent: string): TraceSpan {
  const [first, ...others] = period as [Moment, ...Moment[]];
  const { time } = first.stored;
  const shown = others.filter(({ stored: { type } }) => !isOfCommand(type)).slice(0, maxEvents);
  return {
    name: first.after.value,
    id: spanId(stream, String(first.seq)),
    parent,
    from: time,
    to: Math.max(time, period.at(-1)?.stored.time ?? time),
    attributes: { "exec2.event": first.seq },
    events: shown.map(({ event, stored }) => ({
      name: traitsOf(stored.type)?.title ?? stored.type,
      time: stored.time,
      text: event === undefined ? "" : summarize(event),
    })),
    error: null,
  };
}

function isOfCommand(type: string): boolean {
  return type === "execStarted" || type === "execExited";
}

function commandSpans(moments: readonly Moment[], stream: string, parent: string): TraceSpan[] {
  const ends = new Map<number, Moment>();
  for (const moment of moments)
    if (moment.event?.type === "execExited") ends.set(moment.event.data.exec, moment);
  return moments
    .flatMap(({ event, seq }): TraceSpan[] => {
      if (event?.type !== "execStarted") return [];
      const { exec, command, process } = event.data;
      const end = ends.get(exec)?.event;
      const code = end?.type === "execExited" ? end.data.exitCode : undefined;
      return [
        {
          name: `command ${visible(command)}`,
          id: spanId(stream, String(seq)),
          parent,
          from: event.time,
          to: Math.max(event.time, end?.time ?? event.time),
          attributes: {
            "exec2.event": seq,
            "process.pid": process.pid,
            ...executable(command),
            ...(code === undefined ? {} : { "process.exit.code": code }),
            ...(code === undefined || code === 0 ? {} : { "error.type": String(code) }),
          },
          events: [],
          error: code === undefined || code === 0 ? null : `exit code ${code}`,
        },
      ];
    })
    .slice(0, maxCommands);
}

function attributesOf(stream: string, context: TaskContext): SpanAttributes {
  const { request, exit, sandbox, process } = context;
  const texts = {
    "nomad.alloc.id": allocationOf(stream),
    "nomad.task.name": taskName(stream),
    "nomad.task.run": stream,
    "nomad.job.id": request?.jobId,
    "nomad.group.name": request?.groupName,
    "nomad.namespace": request?.namespace,
    "nomad.node.name": request?.nodeName,
    ...(sandbox && executable(sandbox.command)),
    "exec2.result": resultOf(context) ?? undefined,
    "error.type": errorType(context),
  };
  const known = Object.entries(texts).flatMap(([name, text]) => (text ? [[name, visible(text)]] : []));
  const code = exit === null || exit.exitCode < 0 ? {} : { "process.exit.code": exit.exitCode };
  return { ...Object.fromEntries(known), ...(process && { "process.pid": process.task.pid }), ...code };
}

function executable(command: string) {
  const path = visible(command);
  return { "process.executable.path": path, "process.executable.name": posix.basename(path) };
}

/** One of few values: an error code, the kind of a known cause, or the result. */
function errorType(context: TaskContext): string | undefined {
  const { failure, exit } = context;
  if (errorOf(context) === null) return undefined;
  const kind = exit?.cause ? witnessedKind(exit.cause) : "unknown";
  return failure?.code ?? (kind === "unknown" ? resultOf(context) : kind) ?? undefined;
}

function errorOf(context: TaskContext): string | null {
  const result = resultOf(context);
  if (result === null || result === "completed" || result === "stopped") return null;
  return visible(endText(context) || result);
}

/** The id of a task's trace, 32 hex digits. */
export function traceOf(stream: string): string {
  return digits(`trace ${stream}`, 32);
}

/** The id of the span of a whole task. */
export function rootSpanOf(stream: string): string {
  return spanId(stream, "task");
}

function spanId(stream: string, part: string): string {
  return digits(`span ${part} ${stream}`, 16);
}

function digits(text: string, count: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, count);
}
