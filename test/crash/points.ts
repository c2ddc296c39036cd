/**
 * The places where the crash tests kill a plugin from within. There are also points around every effect of
 * the machine.
 */
import { effectNames } from "../../src/machines/taskMachine.ts";

/** Functions that are wrapped, by their modules below src/. */
const asynchronous = {
  "driver/recovery/recovery.ts": ["takeOver"],
  "driver/recovery/reconcile.ts": ["reconcile"],
  "driver/recovery/unansweredStart.ts": ["settleStart"],
  "effects/cgroup/cgroupEnd.ts": ["endCgroup", "waitForRunExit"],
  "effects/logs/loggerStart.ts": ["startLogger", "startRelay"],
  "driver/run/runOutput.ts": ["endOutput"],
};

const synchronous = {
  "effects/run/runFiles.ts": ["makeRunFiles", "readExitStatus", "readRecordedTask", "findInit"],
  // At the point after this function, the spawner has the launch, and has not reported yet.
  "effects/launch/spawner/spawner.ts": ["beginLaunch"],
  "effects/processes/signals.ts": ["signalGroup", "killTask", "killInit"],
  "effects/logs/logFiles.ts": ["openOwnLogs"],
  "effects/logs/journalSocket.ts": ["connectJournal"],
};

/**
 * Steps of a launch that waits for its go-ahead. At `during release`, the plugin has given the go-ahead and
 * does not know the result yet.
 */
export const launchSteps = ["init", "release", "abandon"] as const;

/** Like {@link launchSteps}, without a promise. At the point after `complete`, the task's process waits. */
export const launchCalls = ["complete"] as const;

/** Calls of an agent. At the point after a call, everything is committed, but the agent has no answer. */
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
  ...["loggerReplaced"],
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
  ...[
    ...Object.values(synchronous).flat(),
    ...launchCalls,
    ...events.map((type) => `commit ${type}`),
  ].flatMap((name) => [`before ${name}`, `after ${name}`]),
];
