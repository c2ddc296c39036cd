import type { EventType } from "./events.ts";

/**
 * The effects that the machine can request. These are names only: src/driver runs
 * each one with the operations of src/effects and reports the result as an event.
 */
export const effectNames = [
  /** Reports `fingerprinted`. */
  "inspectHost",
  /** Limits, user, rules, plan: reports `sandboxed` or `startFailed`. */
  "prepareSandbox",
  /** Runs the launch plan: reports `started` or `startFailed`. */
  "launch",
  /** Waits for the end of the run's init: reports `exited`. */
  "watchExit",
  /** Sends the stop's signal to the task's process group: reports `signalled`. */
  "sendStopSignal",
  /** Reports `stopTimedOut` when the stop's time is over; ends with the task. */
  "startKillTimer",
  /** SIGKILL for everything of the run, whatever it does: reports `forceKilled`. */
  "killRun",
  /** Removes the run's status file, alive FIFO and open descriptors. */
  "releaseRun",
] as const;

export type EffectName = (typeof effectNames)[number];

/** The types of events that report the result of an effect; undefined for an effect unknown to this version. */
export function reportsOf(effect: string): readonly string[] | undefined {
  return reports.get(effect);
}

const effectReports: Readonly<Record<EffectName, readonly EventType[]>> = {
  inspectHost: ["fingerprinted"],
  prepareSandbox: ["sandboxed", "startFailed"],
  launch: ["started", "startFailed"],
  watchExit: ["exited", "lost"],
  sendStopSignal: ["signalled"],
  startKillTimer: ["stopTimedOut"],
  killRun: ["forceKilled"],
  releaseRun: [],
};
const reports: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(effectReports));

/** Preparations change nothing that is visible outside, so they need not wait for a commit. */
export function isPreparation(effect: EffectName): boolean {
  return effect === "inspectHost" || effect === "prepareSandbox";
}
