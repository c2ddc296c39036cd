/** What the machine remembers of a task: folded from its events alone. */
import type { EventData, TaskEvent } from "./events.ts";

export interface TaskContext {
  readonly request: EventData<"requested"> | null;
  readonly host: EventData<"fingerprinted"> | null;
  readonly sandbox: EventData<"sandboxed"> | null;
  readonly process: EventData<"started"> | null;
  /** Set where another driver has started the task: there is no sandbox of ours then. */
  readonly adopted: EventData<"adopted"> | null;
  /** Milliseconds since the epoch: the task's own time, not the plugin's. */
  readonly startedAt: number | null;
  readonly stop: StopInProgress | null;
  readonly forceKilled: boolean;
  /** The last lack of memory that the task survived, and when it was seen: milliseconds since the epoch. */
  readonly oom: (EventData<"oomSeen"> & { readonly at: number }) | null;
  /** Signals that were delivered. */
  readonly signals: number;
  /** Commands that were run in the task. */
  readonly execs: ExecHistory;
  /** How often another plugin process took the task over. */
  readonly recoveries: number;
  readonly exit: EventData<"exited"> | null;
  readonly failure: EventData<"startFailed"> | null;
  readonly lostReason: string | null;
}

export interface ExecHistory {
  /** Number of the last one; 0: there was none. */
  readonly last: number;
  /** Those that run, as far as is known. */
  readonly running: readonly EventData<"execStarted">[];
}

export interface StopInProgress {
  readonly signal: number;
  readonly timeoutMs: number;
  readonly requestedAt: number;
  readonly timedOut: boolean;
}

export const initialContext: TaskContext = {
  request: null,
  host: null,
  sandbox: null,
  process: null,
  adopted: null,
  startedAt: null,
  stop: null,
  forceKilled: false,
  oom: null,
  signals: 0,
  execs: { last: 0, running: [] },
  recoveries: 0,
  exit: null,
  failure: null,
  lostReason: null,
};

/** The part of the context that an event changes. Pure; called only for events that the machine accepts. */
export function rememberEvent(context: TaskContext, event: TaskEvent): Partial<TaskContext> {
  switch (event.type) {
    case "requested":
      // A start that failed may be asked for again: nothing of the first attempt stays.
      return { ...initialContext, request: event.data };
    case "fingerprinted":
      return { host: event.data };
    case "sandboxed":
      return { sandbox: event.data };
    case "started":
      return { process: event.data, startedAt: event.time };
    case "adopted":
      return { adopted: event.data, process: event.data.found, startedAt: event.data.handle.startedAt };
    case "startFailed":
      return { failure: event.data };
    case "signalled":
      return { signals: context.signals + (event.data.delivered ? 1 : 0) };
    case "execStarted":
      return {
        execs: {
          last: Math.max(context.execs.last, event.data.exec),
          running: [...context.execs.running, event.data],
        },
      };
    case "execExited": {
      const running = context.execs.running.filter(({ exec }) => exec !== event.data.exec);
      return { execs: { ...context.execs, running } };
    }
    case "stopRequested":
      return { stop: { ...event.data, requestedAt: event.time, timedOut: false } };
    case "stopTimedOut":
      return { stop: context.stop && { ...context.stop, timedOut: true } };
    case "destroyRequested":
      return {};
    case "forceKilled":
      return { forceKilled: context.forceKilled || event.data.delivered };
    case "oomSeen":
      return { oom: { ...event.data, at: event.time } };
    case "exited":
      return { exit: event.data };
    case "recovered":
      return { recoveries: context.recoveries + 1, stop: null };
    case "lost":
      return { lostReason: event.data.reason };
    case "destroyed":
      return {};
  }
}
