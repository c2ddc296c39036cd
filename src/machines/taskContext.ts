/** The context of the machine: what it knows about a task, folded from the task's events alone. Pure. */

import { z } from "zod";
import { destinationOf } from "../effects/logs/destination.ts";
import { diskHistory } from "./events/disk.ts";
import { egressHistory } from "./events/egressChanged.ts";
import { stopInProgress } from "./events/ending.ts";
import { nameHistories } from "./events/names.ts";
import { candidateHistory } from "./events/observed.ts";
import { outputHistory } from "./events/output.ts";
import { execHistory, stallHistory } from "./events/running.ts";
import { type EventOf, type EventType, eventCatalogue } from "./events.ts";

const { requested, fingerprinted, sandboxed, started, adopted, denied, oomSeen, exited, startFailed } =
  eventCatalogue;

/** Defines the type, and the fields that expressions can name. No context is ever parsed. */
export const contextSchema = z
  .object({
    request: requested.schema.nullable(),
    host: fingerprinted.schema.nullable(),
    /** As it was made, but for `egress`, which has the present lists. */
    sandbox: sandboxed.schema.nullable(),
    process: started.schema.nullable(),
    /** Set if another driver has started the task. `sandbox` is null then. */
    adopted: adopted.schema.nullable(),
    /** Milliseconds since the epoch. Takeovers by other plugin processes do not change it. */
    startedAt: z.number().nullable(),
    stop: stopInProgress.nullable(),
    forceKilled: z.boolean(),
    /** The last OOM kill that the task survived, and the time of its event in milliseconds since the epoch. */
    oom: oomSeen.schema.extend({ at: z.number() }).nullable(),
    /** How often the task waited longer for a resource than its option `pressure` allows. */
    stalls: stallHistory,
    /** What the sandbox has refused so far. Kinds of refusals are in the order of their first occurrence. */
    denials: denied.schema,
    /** The names that the task may connect to, with their addresses. */
    names: nameHistories,
    /** What operators have changed of the list of destinations. */
    egress: egressHistory,
    output: outputHistory,
    /** How full the limits on its disk have become. */
    disk: diskHistory,
    /** What the candidate would have refused. */
    wouldDeny: candidateHistory,
    /** Number of delivered signals. */
    signals: z.number(),
    /** The last delivered one, and the time of its event in milliseconds since the epoch. */
    lastSignal: z.object({ signal: z.number(), at: z.number() }).nullable(),
    /** Commands that were run in the task. */
    execs: execHistory,
    /** How often another plugin process took the task over. */
    recoveries: z.number(),
    exit: exited.schema.nullable(),
    failure: startFailed.schema.nullable(),
    lostReason: z.string().nullable(),
  })
  .readonly();

export type TaskContext = z.infer<typeof contextSchema>;

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
  stalls: [],
  denials: { refusals: [], others: 0, lost: 0, domains: [] },
  names: [],
  egress: { changes: 0, added: [] },
  output: { replacements: 0, lost: null, waits: false, held: false },
  disk: { own: 0, shared: 0 },
  wouldDeny: { file: null, digest: "", refused: [], others: 0, unclear: [], total: 0 },
  signals: 0,
  lastSignal: null,
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

/**
 * Where a run's output begins and ends in its log files; `until` is null while it may grow. Undefined unless the
 * driver writes the files: the agent's collector may be late, so that nobody knows the places.
 */
export function ownOutput({ request, sandbox, exit }: TaskContext) {
  if (destinationOf(request).to !== "files" || !sandbox?.output) return undefined;
  return { from: sandbox.output, until: exit?.output ?? null };
}

/** The limits of a task that are in force; null for a resource without a limit. */
export interface TaskLimits {
  /** Number of the host's cores, from `cpu.max`. */
  readonly cores: number | null;
  readonly memoryBytes: number | null;
  /** Processes and threads. */
  readonly pids: number | null;
  /** In the folders of its own. */
  readonly diskBytes: number | null;
  /** Bytes a second, on all of the task's disks together. */
  readonly readBytes: number | null;
  readonly writtenBytes: number | null;
  /** Operations a second. */
  readonly reads: number | null;
  readonly writes: number | null;
}

export function limitsOf(context: TaskContext): TaskLimits {
  const [quota = 0, period = 0] = limitOf(context, "cpu.max");
  return {
    cores: period > 0 ? quota / period : null,
    memoryBytes: limitOf(context, "memory.max")[0] ?? null,
    pids: limitOf(context, "pids.max")[0] ?? null,
    diskBytes: context.sandbox?.disk?.limitBytes ?? null,
    readBytes: ioLimitOf(context, "rbps"),
    writtenBytes: ioLimitOf(context, "wbps"),
    reads: ioLimitOf(context, "riops"),
    writes: ioLimitOf(context, "wiops"),
  };
}

/** The sum of a limit over all disks, each of which has a line in `io.max`. */
function ioLimitOf({ sandbox }: TaskContext, key: string): number | null {
  const lines = sandbox?.limits.filter(({ file, applied }) => file === "io.max" && applied) ?? [];
  const limits = lines.flatMap(({ value }) => new RegExp(` ${key}=(\\d+)`).exec(value)?.[1] ?? []);
  return limits.length === 0 ? null : limits.reduce((sum, limit) => sum + Number(limit), 0);
}

/** The numbers that the sandbox wrote to a file of the cgroup; none if it wrote no limit, or `max`. */
function limitOf({ sandbox }: TaskContext, file: string): readonly number[] {
  const limit = sandbox?.limits.find((each) => each.file === file && each.applied);
  const numbers = limit?.value.split(" ").map(Number) ?? [];
  return numbers.every(Number.isFinite) ? numbers : [];
}
