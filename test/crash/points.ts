/** The places where the crash tests kill a plugin from within: beside these, around every effect of the machine. */
import { effectNames } from "../../src/machines/effects.ts";

/** Functions that are wrapped, by their modules below src/. */
const asynchronous = {
  "driver/recovery/recovery.ts": ["takeOver"],
  "driver/recovery/reconcile.ts": ["reconcile"],
  "driver/recovery/unansweredStart.ts": ["settleStart"],
  "effects/cgroup/cgroupEnd.ts": ["endCgroup", "waitForRunExit"],
};

const synchronous = {
  "effects/files/runFiles.ts": ["makeRunFiles"],
  // Between the hand-over and its report.
  "effects/launch/spawner/spawner.ts": ["beginLaunch"],
  "effects/processes/findInit.ts": ["findInit"],
  "effects/processes/statusFile.ts": ["readExitStatus", "readRecordedTask"],
  "effects/processes/signals.ts": ["signalGroup", "killTask", "killInit"],
};

/** Of a held launch. During `release`, the go-ahead has been given and nothing is known of its effect. */
export const launchSteps = ["init", "release", "abandon"] as const;

/** Calls of an agent; after one: everything is committed, and nothing is answered. */
export const calls = [
  "startTask",
  "recoverTask",
  "stopTask",
  "signalTask",
  "destroyTask",
  "waitTask",
] as const;

const events = [
  ...["requested", "fingerprinted", "sandboxed", "started", "startFailed", "stopRequested", "signalled"],
  ...["stopTimedOut", "destroyRequested", "forceKilled", "exited", "recovered", "destroyed"],
];

export const wrappedModules: Readonly<Record<string, readonly string[]>> = {
  ...asynchronous,
  ...synchronous,
  "store/lmdb/lmdbEventStore.ts": ["openEventStore"],
};

/** The names of all points. */
export const points: readonly string[] = [
  ...[...Object.values(asynchronous).flat(), ...effectNames, ...launchSteps, ...calls].flatMap((name) => [
    `before ${name}`,
    `during ${name}`,
    `after ${name}`,
  ]),
  ...[...Object.values(synchronous).flat(), ...events.map((type) => `commit ${type}`)].flatMap((name) => [
    `before ${name}`,
    `after ${name}`,
  ]),
];
