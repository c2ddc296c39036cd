/** The context of the machine: what it knows about a task, folded from the task's events alone. */
import type { DenialHistory } from "./events/denied.ts";
import type { StopInProgress } from "./events/ending.ts";
import type { ExecHistory } from "./events/running.ts";
import { type EventData, type EventOf, type EventType, eventCatalogue } from "./events.ts";

export interface TaskContext {
  readonly request: EventData<"requested"> | null;
  readonly host: EventData<"fingerprinted"> | null;
  readonly sandbox: EventData<"sandboxed"> | null;
  readonly process: EventData<"started"> | null;
  /** Set if another driver has started the task. `sandbox` is null then. */
  readonly adopted: EventData<"adopted"> | null;
  /** Milliseconds since the epoch. Takeovers by other plugin processes do not change it. */
  readonly startedAt: number | null;
  readonly stop: StopInProgress | null;
  readonly forceKilled: boolean;
  /** The last OOM kill that the task survived, and the time of its event in milliseconds since the epoch. */
  readonly oom: (EventData<"oomSeen"> & { readonly at: number }) | null;
  /** What the sandbox refused. */
  readonly denials: DenialHistory;
  /** Number of delivered signals. */
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
  denials: { refusals: [], others: 0, lost: 0, domains: [] },
  signals: 0,
  execs: { last: 0, counted: 0, running: [] },
  recoveries: 0,
  exit: null,
  failure: null,
  lostReason: null,
};

/** How each type of event changes the context. */
const evolutions: {
  readonly [T in EventType]: {
    readonly evolve: (event: EventOf<T>, known: TaskContext) => Partial<TaskContext>;
  };
} = eventCatalogue;

/** The part of the context that an event changes. Pure; called only for events that the machine accepts. */
export function evolve<T extends EventType>(context: TaskContext, event: EventOf<T>): Partial<TaskContext> {
  return evolutions[event.type].evolve(event, context);
}

/** The limits of a task's cgroup that are in force; null for a resource without a limit. */
export interface TaskLimits {
  /** Number of the host's cores, from `cpu.max`. */
  readonly cores: number | null;
  readonly memoryBytes: number | null;
  /** Processes and threads. */
  readonly pids: number | null;
}

export function limitsOf(context: TaskContext): TaskLimits {
  const [quota = 0, period = 0] = limitOf(context, "cpu.max");
  return {
    cores: period > 0 ? quota / period : null,
    memoryBytes: limitOf(context, "memory.max")[0] ?? null,
    pids: limitOf(context, "pids.max")[0] ?? null,
  };
}

/** The numbers that the sandbox wrote to a file of the cgroup; none if it wrote no limit, or `max`. */
function limitOf({ sandbox }: TaskContext, file: string): readonly number[] {
  const limit = sandbox?.limits.find((each) => each.file === file && each.applied);
  const numbers = limit?.value.split(" ").map(Number) ?? [];
  return numbers.every(Number.isFinite) ? numbers : [];
}
