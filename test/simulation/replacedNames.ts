/**
 * Functions and classes of the driver that the simulation replaces or may replace, by their modules below
 * src/. A function that replaces.ts does not define stays the real one, and mutants can wrap it. Pure.
 */
export const replacedNames: Readonly<Record<string, readonly string[]>> = {
  // The kernel's part of a launch: replaced.
  "effects/launch/prepare.ts": ["prepareRun"],
  "effects/launch/sandbox.ts": ["environmentFor"],
  "effects/launch/spawner/spawner.ts": ["beginLaunch", "startSpawner"],
  "effects/plan/spawnPlan.ts": ["writeLate"],
  "effects/root/rootTemplates.ts": ["RootTemplates", "findRootProblem"],
  // The kernel's part of a command in a task: replaced.
  "effects/exec/runInTask.ts": ["runInTask"],
  "effects/exec/commandCgroup.ts": ["newCommandCgroup"],
  "effects/exec/taskEnviron.ts": ["readTaskEnviron"],
  "effects/exec/taskOutput.ts": ["TaskOutput"],
  "effects/host/silentMounts.ts": ["waitForAnswersInTask"],
  "effects/root/listRoot.ts": ["TaskRootView"],
  "effects/command/commandLookup.ts": ["resolveCommand"],
  "effects/run/programFile.ts": ["watchProgram"],
  // Facts about the host: replaced.
  "effects/kernel/kernelFiles.ts": ["bootId"],
  "effects/host/hostFacts.ts": ["probeHost", "watchHost"],
  "effects/egress/egressMaps.ts": ["findEgressProblem", "checkSocketCgroups", "keepHooksOn", "sweep"],
  // The kernel's part of egress, name servers, and a run's hosts file: replaced.
  "effects/bpf/bpf.ts": [
    ...["EntryWindow", "createMap", "setEntries", "deleteEntries", "deleteEntry", "findEntry", "keysOf"],
  ],
  "effects/bpf/cgroupPrograms.ts": [
    ...["loadCgroupProgram", "attachToCgroup", "detachFromCgroup", "attachedPrograms"],
    ...["openProgram", "openMap", "programInfo", "mapInfo"],
  ],
  "effects/bpf/ring.ts": ["Ring"],
  "effects/egress/egressPrograms.ts": ["egressProgram"],
  "effects/plan/bell.ts": ["Bell"],
  "effects/egress/resolveName.ts": ["resolveName"],
  "effects/names/taskEtcFiles.ts": ["nameServersIn", "readHosts", "rewriteHosts"],
  "effects/kernel/pageSize.ts": ["pageSize"],
  "effects/unveil/knownPaths.ts": ["knownPaths"],
  // The plugin's own process and folder: replaced.
  "effects/command/envDigest.ts": ["ensureKey", "envDigest"],
  "effects/logs/loggerStart.ts": ["readEndsOf", "startLogger"],
  "effects/logs/logFiles.ts": ["openOwnLogs", "addOwnLine"],
  "effects/denials/denialWatch.ts": ["DenialWatch"],
  "effects/limits/resourceLimits.ts": ["raiseOwnFileLimit", "presetLimitsOf"],
  "effects/processes/ownMemory.ts": [
    "hideMemory",
    "releaseMemory",
    "collectGarbage",
    "collectYoungGarbage",
    "heapBytes",
  ],
  "effects/processes/waitingThreads.ts": ["waitingThreads"],
  "driver/start/rehearsal.ts": ["Rehearsal"],
  "store/folder/files.ts": ["replaceFile"],
  "store/folder/stateFolder.ts": ["openStateFolder"],
  "store/folder/pluginAddress.ts": ["publishAddress"],
  "store/folder/keptHistories.ts": ["isPinned", "readArchived"],
  "store/folder/logFolders.ts": ["quarantinedLogs"],
  "store/usage/usageFile.ts": ["appendUsage", "removeUsage"],
  "store/lmdb/lmdbEventStore.ts": ["openEventStore"],
  // The driver's own code: wrapped by mutants only.
  "base/errors.ts": ["isShortage"],
  "driver/recovery/recovery.ts": ["repeatedStart"],
  "driver/recovery/reconcile.ts": ["reconcile"],
  "driver/retry.ts": ["retrying"],
  "driver/run/runEnd.ts": ["exitOf"],
  "driver/run/watch.ts": ["runEnded"],
  "effects/run/runFiles.ts": ["readRecordedTask", "readExitStatus"],
  "effects/processes/processIdentity.ts": ["isSameProcess"],
};
