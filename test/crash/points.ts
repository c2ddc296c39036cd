/** The places where the crash tests kill a plugin from within. */

/** Functions that are wrapped, by their modules below src/. */
export const wrappedModules: Readonly<Record<string, readonly string[]>> = {
  "driver/effects/inspectHost.ts": ["inspectHost"],
  "driver/effects/prepareSandbox.ts": ["prepareSandbox"],
  "driver/effects/launchTask.ts": ["launchTask"],
  "driver/effects/watchTask.ts": ["watchTask", "exitOf"],
  "driver/effects/stopTask.ts": ["sendStopSignal", "startKillTimer", "killRun"],
  "driver/effects/releaseRun.ts": ["releaseRun"],
  "driver/recovery.ts": ["takeOver"],
  "driver/sweep.ts": ["sweep"],
  "effects/runFiles.ts": ["makeRunFiles"],
  "effects/findInit.ts": ["findInit"],
  "effects/signals.ts": ["signalGroup", "killTask", "killInit"],
  // Between the spawn and its confirmation, and between that and the event that tells of it.
  "effects/launch/runner.ts": ["spawnRunner"],
  "effects/launch/launcher.ts": ["launch"],
  "store/lmdbEventStore.ts": ["openEventStore"],
};

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

/** The names of all points. */
export const points: readonly string[] = [
  ...Object.values(wrappedModules)
    .flat()
    .filter((name) => name !== "openEventStore"),
  ...calls,
  ...events.map((type) => `commit ${type}`),
].flatMap((name) => [`before ${name}`, `after ${name}`]);
