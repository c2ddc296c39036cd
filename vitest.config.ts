import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** Kernel tests that need the host alone, because they change or count what all processes share. */
const alone = [
  // All processes share the kernel's audit, which drops records if many are denied something at once.
  "test/e2e/denials/**/*.test.ts",
  // Turns audit on: two runs of another test, one before and one after, would differ in what was recorded.
  "test/e2e/tasks/plantedFailures.kernel.test.ts",
  // Makes and removes a default path of the host, which every task would have.
  "test/effects/unveil/knownPaths.kernel.test.ts",
  // Counts what plugins leave behind on the host.
  "test/e2e/recovery/leaks.kernel.test.ts",
  // Hundreds of processes fork without end.
  "test/attacks/execSession.kernel.test.ts",
];

/** Tests of the inspector's page in a browser. */
const inBrowser = [
  "test/inspector/bundle/bundlePage.test.ts",
  "test/inspector/chart.test.ts",
  "test/inspector/compare/compare.test.ts",
  // Each view of the page, in each width and theme.
  "test/inspector/everyView.test.ts",
  "test/inspector/failures.test.ts",
  "test/inspector/fleetPage.test.ts",
  "test/inspector/keyboard.test.ts",
  "test/inspector/lanes/lanesPage.test.ts",
  "test/inspector/logs/logPanel.test.ts",
  "test/inspector/page.test.ts",
  "test/inspector/permissionsPage.test.ts",
  "test/inspector/realTasks.kernel.test.ts",
  "test/inspector/statelyPage.test.ts",
  "test/inspector/token.test.ts",
  "test/inspector/transfer.test.ts",
  "test/inspector/usagePanel.test.ts",
  "test/inspector/widths.test.ts",
];

/** Tests of programs that `npm test` does not install: a JDK, a browser, PHP, Redis, shells. */
const ofPrograms = [
  "test/cli/commands/programs.kernel.test.ts",
  "test/cli/reference/completions.test.ts",
  "test/e2e/programs/**/*.test.ts",
  "test/effects/seccomp/programs.kernel.test.ts",
];

/**
 * Tests that take some ten seconds or more on two cores. A change of their subject needs them, but not every change:
 * `npm test` shall take five minutes.
 */
const tenSeconds = [
  "test/attacks/causeOfEnd.kernel.test.ts",
  "test/attacks/combinations.kernel.test.ts",
  "test/attacks/logFolder.kernel.test.ts",
  "test/attacks/neighbours.kernel.test.ts",
  "test/attacks/records.kernel.test.ts",
  "test/cli/commands/archive.kernel.test.ts",
  "test/cli/commands/bundles.kernel.test.ts",
  "test/cli/commands/diff.kernel.test.ts",
  "test/cli/commands/events.kernel.test.ts",
  "test/cli/commands/exec.kernel.test.ts",
  "test/cli/commands/lesserKernels.kernel.test.ts",
  "test/cli/commands/logs.kernel.test.ts",
  "test/cli/commands/ps.kernel.test.ts",
  "test/cli/commands/replay.kernel.test.ts",
  "test/cli/commands/replayPolicy.kernel.test.ts",
  "test/cli/commands/run.kernel.test.ts",
  "test/cli/commands/runEnds.kernel.test.ts",
  "test/cli/commands/runJson.kernel.test.ts",
  "test/cli/commands/taskVerbs.kernel.test.ts",
  "test/cli/commands/validate.kernel.test.ts",
  "test/cli/commands/why.kernel.test.ts",
  "test/cli/damagedLogs.kernel.test.ts",
  "test/cli/hostileTexts.kernel.test.ts",
  "test/cli/jsonOutputs.kernel.test.ts",
  "test/cli/secrets.kernel.test.ts",
  "test/docs/exampleJobs.kernel.test.ts",
  "test/docs/pages.kernel.test.ts",
  "test/driver/traces.kernel.test.ts",
  "test/driver/usage.kernel.test.ts",
  "test/e2e/executable/install.kernel.test.ts",
  "test/e2e/executable/surroundings.kernel.test.ts",
  "test/e2e/plugin/clientContract.kernel.test.ts",
  "test/e2e/plugin/malformedRequests.kernel.test.ts",
  "test/e2e/plugin/recordedTraffic.kernel.test.ts",
  "test/e2e/plugin/rehearsal.kernel.test.ts",
  "test/e2e/plugin/stateFolder.kernel.test.ts",
  "test/e2e/recovery/crash.kernel.test.ts",
  "test/e2e/recovery/goDriver.kernel.test.ts",
  "test/e2e/recovery/pluginCrash.kernel.test.ts",
  "test/e2e/sandbox/egress.kernel.test.ts",
  "test/e2e/sandbox/idmappedVolumes.kernel.test.ts",
  "test/e2e/sandbox/maskedSecrets.kernel.test.ts",
  "test/e2e/sandbox/pidMode.kernel.test.ts",
  "test/e2e/sandbox/root.kernel.test.ts",
  "test/e2e/sandbox/rootDir.kernel.test.ts",
  "test/e2e/sandbox/systemCalls.kernel.test.ts",
  "test/e2e/sandbox/taskFiles.kernel.test.ts",
  "test/e2e/tasks/cgroupDelegate.kernel.test.ts",
  "test/e2e/tasks/errorOrder.kernel.test.ts",
  "test/e2e/tasks/exec.kernel.test.ts",
  "test/e2e/tasks/journald.kernel.test.ts",
  "test/e2e/tasks/lastGoodRun.kernel.test.ts",
  "test/e2e/tasks/logPipes.kernel.test.ts",
  "test/e2e/tasks/manyTasks.kernel.test.ts",
  "test/e2e/tasks/ownLogs.kernel.test.ts",
  "test/e2e/tasks/silentFileSystem.kernel.test.ts",
  "test/effects/cgroup/outOfMemory.kernel.test.ts",
  "test/history/replay/besideWriter.kernel.test.ts",
  "test/inspector/slowReaders.test.ts",
  "test/store/lmdb/damagedLog.kernel.test.ts",
  "test/store/lmdb/lmdbProcesses.kernel.test.ts",
];

/** Tests that `npm test` has with a few rounds or cases, and `npm run test:long` with all: test/support/rounds.ts. */
const withRounds = [
  "test/effects/landlock/ruleset.kernel.test.ts",
  "test/effects/logs/logger.kernel.test.ts",
  // The runner for arm64 needs an emulator of half a gigabyte.
  "test/effects/plan/runner.test.ts",
  "test/store/lmdb/pageAllocator.kernel.test.ts",
  "test/store/lmdb/powerCut.test.ts",
];

/** Tests of `npm run test:long` alone. */
const long = [
  ...inBrowser,
  ...ofPrograms,
  ...tenSeconds,
  // What dozens of programs need is learned, and tried without each part of it.
  "test/e2e/learn/**/*.test.ts",
  "test/cli/commands/learn.kernel.test.ts",
  // A log of 200,000 events is written.
  "test/cli/commands/checkParts.kernel.test.ts",
  // Each feature of job files is run.
  "test/cli/commands/jobFiles.kernel.test.ts",
  "test/cli/commands/nomadDocs.kernel.test.ts",
  // A project of a user is type-checked and tested with the library.
  "test/e2e/plugin/replayLibrary.kernel.test.ts",
  // A hundred plugins are killed at random moments.
  "test/e2e/recovery/crashRounds.kernel.test.ts",
  // Dozens of attacks are tried under some 160 combinations.
  "test/attacks/everyTwo.kernel.test.ts",
  // Each case of test:agent runs.
  "test/agent/fakeAgent.kernel.test.ts",
  // A release is installed in new Debian systems.
  "test/e2e/package/**/*.test.ts",
  // Defects are planted in the simulated driver until each is found.
  "test/simulation/mutants.test.ts",
  // The bindings are generated anew, with packages that only this needs.
  "test/grpc/generated.test.ts",
  // The executable is built once more.
  "test/scripts/executable/sameBytes.test.ts",
  // It takes rpm, which only this and a release need.
  "test/scripts/release/rpm.test.ts",
];

/** Pure tests that replace modules, which the other files of a shared process would keep. */
const replacing = [
  "test/driver/exec/commands.test.ts",
  "test/effects/processes/idleMemory.test.ts",
  "test/store/lmdb/failedCommit.test.ts",
];

/** The virtual machine has its own runner. */
const exclude = ["test/vm/**"];

export default defineConfig({
  test: {
    pool: "forks",
    globalSetup: ["test/support/plugin/bundledProgram.ts"],
    setupFiles: ["test/support/setup.ts"],
    // Vitest and the programs that the tests start load their code in half the time.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
    // A machine may be busy with other work. A test that waits for something that never comes still ends.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    expect: { poll: { timeout: 60_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "pure",
          include: ["test/**/*.test.ts"],
          exclude: ["**/*.kernel.test.ts", ...replacing, ...long, ...exclude],
          isolate: false,
          // Some wait for a browser.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "kernel",
          include: ["test/**/*.kernel.test.ts", ...replacing],
          exclude: [...alone, ...long, ...exclude],
          // Kernel tests start real processes. A separate process for each file keeps their descriptors apart.
          isolate: true,
          // Many of them wait for the kernel, or as long as an agent does.
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: alone,
          exclude,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        test: {
          name: "long",
          include: [...long, ...withRounds],
          exclude,
          env: { TEST_LONG: "1" },
          maxWorkers: 3,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
