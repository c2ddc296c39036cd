import type { EventType } from "./events.ts";

/**
 * What the machine may ask for. Names only: src/driver carries each out with the
 * operations of src/effects and reports what came of it as an event.
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

/** The types of events that tell what came of an effect; undefined for one that this version does not know. */
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

/** Preparations change nothing that anyone outside could see: they need not wait for a commit. */
export function isPreparation(effect: EffectName): boolean {
  return effect === "inspectHost" || effect === "prepareSandbox";
}
