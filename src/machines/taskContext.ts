/** What the machine remembers of a task: folded from its events alone. */
import type { StopInProgress } from "./events/ending.ts";
import type { ExecHistory } from "./events/running.ts";
import { type EventData, type EventOf, type EventType, eventCatalogue } from "./events.ts";

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

/** What every type of event makes of the context: of nothing but its fields. */
const evolutions: {
  readonly [T in EventType]: {
    readonly evolve: (event: EventOf<T>, known: TaskContext) => Partial<TaskContext>;
  };
} = eventCatalogue;

/** The part of the context that an event changes. Pure; called only for events that the machine accepts. */
export function evolve<T extends EventType>(context: TaskContext, event: EventOf<T>): Partial<TaskContext> {
  return evolutions[event.type].evolve(event, context);
}
