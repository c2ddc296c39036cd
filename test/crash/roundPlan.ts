/**
 * The plan of a round of the crash test, as plain data. It comes from a seed, or from a round that once
 * failed. Pure.
 */
import { points } from "./points.ts";
import { type Random, randomOf } from "./random.ts";

/** When a plugin is killed. */
export type Crash =
  /** `ms` milliseconds after call number `afterCall` was sent; call 1 is SetConfig. */
  | { readonly afterCall: number; readonly ms: number }
  /** At a kill point, such as `before commit started#1`. */
  | { readonly at: string };

export interface LifePlan {
  /** What the task does by itself; see `scripts` in taskLife.ts. */
  readonly task: "ends" | "lingers" | "writes" | "obeys" | "resists" | "sleeps";
  /** The task's exit code. */
  readonly exitCode: number;
  /** What the agent does with the task, in addition to waiting. */
  readonly agent: "waits" | "signals" | "stops" | "destroys" | "leaves";
  /** Milliseconds between the start's answer and the agent's action. */
  readonly afterMs: number;
  /** Whether the task runs in the host's pid namespace. */
  readonly hostPid?: boolean;
  /**
   * Whether the agent dies together with a plugin that does not answer a start. The next agent then starts
   * the task again, with another id.
   */
  readonly forgets: boolean;
  /** Milliseconds between the start's answer and the death of the task's logger or relay, if it has one. */
  readonly loggerDiesMs?: number;
}

/** Who takes the tasks' output: the plugin's option `log_collection`. */
export const logCollections = ["agent", "driver", "journald"] as const;

export type LogCollection = (typeof logCollections)[number];

/** When the disk of the state folder has no room: milliseconds from the first start on. */
export interface FullDisk {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface RoundPlan {
  /** By default, the agent. */
  readonly logs?: LogCollection;
  /** The tasks, which run at the same time. */
  readonly lives: readonly LifePlan[];
  /**
   * When the first plugin is killed, then the second, and so on. The plugin that is launched after the last
   * crash is not killed.
   */
  readonly crashes: readonly Crash[];
  readonly fullDisk?: FullDisk;
}

/** The round of a seed. In each mode of collection, it has the same tasks and crashes. */
export function roundOf(seed: number, logs: LogCollection): RoundPlan {
  const random = randomOf(seed);
  return {
    logs,
    lives: Array.from({ length: 1 + random.below(4) }, () => lifeOf(random)),
    crashes: Array.from({ length: 1 + random.below(3) }, () => crashOf(random)),
    ...(random.chance(15) && { fullDisk: fullDiskOf(random) }),
  };
}

function fullDiskOf(random: Random): FullDisk {
  const fromMs = random.below(60);
  return { fromMs, toMs: fromMs + 100 + random.below(900) };
}

function lifeOf(random: Random): LifePlan {
  const task = random.pick(["ends", "ends", "lingers", "writes", "obeys", "resists", "sleeps"] as const);
  const endsItself = task === "ends" || task === "lingers" || task === "writes";
  return {
    task,
    exitCode: random.below(100),
    agent: random.pick(endsItself ? (["waits", "waits", "stops"] as const) : agents[task]),
    afterMs: random.below(20),
    forgets: random.chance(25),
    hostPid: random.chance(30),
    ...(random.chance(25) && { loggerDiesMs: random.below(20) }),
  };
}

const agents = {
  obeys: ["stops", "stops", "signals"],
  resists: ["stops", "destroys"],
  sleeps: ["stops", "destroys", "leaves"],
} as const;

function crashOf(random: Random): Crash {
  if (random.chance(40)) return { afterCall: 1 + random.below(8), ms: random.below(16) };
  return { at: `${random.pick(points)}#${1 + random.below(2)}` };
}
