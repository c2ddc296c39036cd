/** The names of the effects that the machine can request. Pure. */
import type { EventType } from "./events.ts";

/**
 * The effects that the machine can request, each with the types of events that report
 * its result. These are names only: src/driver runs each one with the operations of
 * src/effects.
 */
const effectReports = {
  /** Reads the kernel's features and the node's cores. */
  inspectHost: ["fingerprinted"],
  /** Resolves the user, writes limits, and prepares rules and the launch plan. */
  prepareSandbox: ["sandboxed", "startFailed"],
  /** Runs the launch plan. */
  launch: ["started", "startFailed"],
  /** Waits until the run's init exits. */
  watchExit: ["exited", "lost"],
  /** Sends the stop's signal to the task's process group. */
  sendStopSignal: ["signalled"],
  /** Waits for the stop's timeout, unless the task ends first. */
  startKillTimer: ["stopTimedOut"],
  /** Kills the task's main process. Init then ends the rest of the run. */
  killRun: ["forceKilled"],
  /** Stops watching the run, closes its descriptors, and removes its files. */
  releaseRun: [],
} as const satisfies Readonly<Record<string, readonly EventType[]>>;

export type EffectName = keyof typeof effectReports;
export const effectNames = Object.keys(effectReports) as readonly EffectName[];

/**
 * The types of events that report the result of an effect; undefined for an effect unknown to this version.
 */
export function reportsOf(effect: string): readonly string[] | undefined {
  return reports.get(effect);
}

const reports: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(effectReports));

/**
 * Whether an effect is a preparation. Preparations change nothing that is visible outside, so they need not
 * wait for a commit.
 */
export function isPreparation(effect: EffectName): boolean {
  return effect === "inspectHost" || effect === "prepareSandbox";
}
