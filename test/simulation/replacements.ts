/** The simulation's part of the driver's modules: what needs a kernel, a disk or a process of its own. */
import { of } from "rxjs";
import { DriverError } from "../../src/base/errors.ts";
import type { DriverServices } from "../../src/driver/services.ts";
import { checkCgroup, readOomKills, replacedCgroup } from "../../src/effects/cgroup/cgroup.ts";
import type { CommandCgroups } from "../../src/effects/exec/commandCgroup.ts";
import type { HostFacts } from "../../src/effects/host/hostFacts.ts";
import { PendingLaunch } from "../../src/effects/launch/launcher.ts";
import type { EgressOfRun, PreparedRun } from "../../src/effects/launch/prepare.ts";
import type { TaskRequest } from "../../src/effects/launch/taskRequest.ts";
import type { LogPlace, OwnLogFolder } from "../../src/effects/logs/logFiles.ts";
import { openOwnLogs } from "../../src/effects/logs/logFiles.ts";
import type { Logger } from "../../src/effects/logs/logger.ts";
import type { EarlyPlan } from "../../src/effects/plan/plan.ts";
import { noSteps } from "../../src/effects/plan/plan.ts";
import type { Report } from "../../src/effects/plan/spawnPlan.ts";
import type { ProcessIdentity } from "../../src/effects/processes/processIdentity.ts";
import { makeRunFiles, removeRunFiles, runFiles } from "../../src/effects/run/runFiles.ts";
import { runFolderName, stateFolderPaths, taskOfRunFolder } from "../../src/store/folder/stateFolder.ts";
import { NoOutput, NoRootView, runInTaskOf } from "./commands.ts";
import { denialWatchOf } from "./denials.ts";
import type { ReadEnd } from "./descriptors.ts";
import type { DurableLog } from "./durableLog.ts";
import type { Egress } from "./egress.ts";
import type { Kernel, Process } from "./kernel.ts";
import type { Loggers } from "./loggers.ts";
import type { PluginProcess } from "./pluginProcess.ts";
import { simulated } from "./simulated.ts";

const facts = (bootId: string): HostFacts => ({
  kernel: "6.12.0",
  arch: "x64",
  bootId,
  root: true,
  landlockAbi: 6,
  missingCalls: [],
  cgroupMount: "/sys/fs/cgroup",
  cgroupControllers: ["cpu", "memory", "pids"],
  cgroupDelegated: ["cpu", "memory", "pids"],
  ioWeights: false,
  psi: true,
  memfdExecution: true,
  seccomp: true,
  namespaces: { pid: true, mount: true, ipc: true },
  cores: 2,
  mhzPerCore: 2_000,
  mhzKnown: true,
});

/** Defines the replacements of replacedNames.ts. */
export function installReplacements(
  kernel: Kernel,
  loggers: Loggers,
  log: DurableLog,
  egress: Egress,
  current: () => PluginProcess,
): void {
  const nothing = () => undefined;
  let starts = 0;
  let commands = 0;
  const define = (module: string, functions: Readonly<Record<string, unknown>>) => {
    for (const [name, value] of Object.entries(functions))
      simulated.functions.set(`${module}#${name}`, value as never);
  };
  const hostFacts = () => facts(kernel.bootId);
  define("effects/host/hostFacts.ts", { probeHost: hostFacts, watchHost: () => of(hostFacts()) });
  define("effects/kernel/kernelFiles.ts", { bootId: () => kernel.bootId });
  define("effects/exec/runInTask.ts", { runInTask: runInTaskOf(kernel, current) });
  define("effects/exec/commandCgroup.ts", {
    newCommandCgroup: ({ parent, prefix }: CommandCgroups) => ({
      parent,
      name: `${prefix}${++commands}.scope`,
    }),
  });
  define("effects/exec/taskEnviron.ts", { readTaskEnviron: () => ({ SECRET: "hidden" }) });
  define("effects/exec/taskOutput.ts", { TaskOutput: NoOutput });
  define("effects/host/silentMounts.ts", { waitForAnswersInTask: async () => undefined });
  define("effects/root/listRoot.ts", { TaskRootView: NoRootView });
  define("effects/command/commandLookup.ts", { resolveCommand: (command: string) => `/bin/${command}` });
  define("effects/run/programFile.ts", {
    watchProgram: () => ({ end: async () => undefined, cancel: nothing }),
  });
  define("effects/egress/egressMaps.ts", { findEgressProblem: nothing });
  define("effects/unveil/knownPaths.ts", { knownPaths: () => new Map() });
  define("effects/command/envDigest.ts", { ensureKey: nothing, envDigest: () => "digest" });
  define("effects/denials/denialWatch.ts", { DenialWatch: denialWatchOf(kernel.audit, current) });
  define("effects/limits/resourceLimits.ts", { raiseOwnFileLimit: nothing, presetLimitsOf: () => [] });
  define("effects/processes/ownMemory.ts", {
    hideMemory: nothing,
    releaseMemory: async () => undefined,
    collectGarbage: nothing,
    collectYoungGarbage: nothing,
    heapBytes: () => 0,
  });
  define("effects/processes/waitingThreads.ts", {
    waitingThreads: async () => ({ threads: [], more: 0 }),
  });
  define("driver/start/rehearsal.ts", { Rehearsal: NoRehearsal });
  define("effects/root/rootTemplates.ts", { RootTemplates: NoRoots, findRootProblem: async () => undefined });
  define("store/folder/stateFolder.ts", {
    openStateFolder: async (path: string) => {
      current().enter("flock", path);
      const { life } = current();
      const { owner } = kernel;
      if (owner !== undefined && !owner.dead && owner !== life)
        throw new DriverError("STATE_DIR_IN_USE", `${path} is in use by ${owner.name}`);
      kernel.owner = life;
      const paths = stateFolderPaths(path);
      return {
        ...paths,
        newRunFolder: (taskId: never) => {
          const name = runFolderName(taskId);
          const folder = `${paths.run}/${name}+${(++starts).toString(16).padStart(8, "0")}`;
          kernel.newestFolders.set(name, { folder, plugin: current().life });
          return folder;
        },
        close: async () => {
          if (kernel.owner === life) kernel.owner = undefined;
        },
      };
    },
  });
  define("store/folder/files.ts", { replaceFile: nothing });
  define("store/folder/pluginAddress.ts", { publishAddress: nothing });
  define("store/folder/keptHistories.ts", { isPinned: () => false, readArchived: () => new Set() });
  define("store/folder/logFolders.ts", { quarantinedLogs: () => [] });
  define("store/usage/usageFile.ts", { appendUsage: nothing, removeUsage: nothing });
  define("store/lmdb/lmdbEventStore.ts", { openEventStore: async () => log.open(current()) });
  define("effects/launch/sandbox.ts", { environmentFor: async ({ env }: TaskRequest) => env });
  define("effects/launch/prepare.ts", { prepareRun: prepareRunOf(kernel, egress, current) });
  const openOwnLogs = ({ allocDir }: TaskRequest): OwnLogFolder => {
    current().enter("open log folder", allocDir);
    const stdout = { file: 0, bytes: loggers.sizeOf(allocDir) };
    return { folder: current().fds.add("other"), begin: { stdout, stderr: { file: 0, bytes: 0 } } };
  };
  define("effects/logs/logFiles.ts", {
    openOwnLogs,
    addOwnLine: ({ allocDir, pipe }: LogPlace, line: string, { repeats = true } = {}) => {
      current().enter("write log", pipe);
      if (pipe.includes("stderr")) return { file: 0, bytes: 0 };
      loggers.addLine(allocDir, line, repeats);
      return { file: 0, bytes: loggers.sizeOf(allocDir) };
    },
  });
  define("effects/logs/loggerStart.ts", {
    readEndsOf: ({ pid, startTicks }: ProcessIdentity) => {
      current().enter("pidfd_open", String(pid));
      if (kernel.get(pid)?.startTicks !== startTicks) return undefined;
      const { fds } = current();
      return { stdoutRead: fds.add("other"), stderrRead: fds.add("other") };
    },
    startLogger: ({ recordFile, streams }: Logger) => {
      const { life, scheduler } = current();
      current().enter("begin logger", recordFile);
      const { promise, resolve } = Promise.withResolvers<void>();
      loggers.start(recordFile.slice(0, recordFile.lastIndexOf("/")), streams, () =>
        scheduler.in(scheduler.latency(), life, "a logger is reported", resolve),
      );
      return promise;
    },
  });
  define("effects/plan/spawnPlan.ts", { writeLate: () => current().enter("write late plan") });
  define("effects/launch/spawner/spawner.ts", {
    startSpawner: nothing,
    beginLaunch: (early: EarlyPlan, { releasePipe }: { readonly releasePipe: number }) =>
      beginLaunch(kernel, current(), early, releasePipe),
  });
}

/** As the real function, without the sandbox: the same calls in the same order around the real launcher. */
const prepareRunOf =
  (kernel: Kernel, rules: Egress, current: () => PluginProcess) =>
  async (request: TaskRequest, services: DriverServices, egress: EgressOfRun): Promise<PreparedRun> => {
    await using undoing = new AsyncDisposableStack();
    const { resolved } = egress;
    undoing.defer(() => egress.release());
    const cgroup = checkCgroup(request.resources.cgroup);
    const checked = kernel.cgroups.get(cgroup);
    const oomKills = readOomKills(cgroup) ?? 0;
    const { output } = request;
    const own = output.to === "files" ? openOwnLogs(request, output.bounds.maxFiles) : undefined;
    if (own !== undefined) current().fds.close(own.folder);
    const files = runFiles(services.folder.newRunFolder(request.taskId));
    makeRunFiles(files.folder);
    rules.hosts.set(files.folder, resolved?.names ?? []);
    undoing.defer(() => removeRunFiles(files.folder));
    const early: EarlyPlan = {
      loggerState: undefined,
      initName: "exec2-init",
      aliveFifo: files.alive,
      cgroup,
      steps: noSteps,
    };
    const launch = new PendingLaunch(
      early,
      { stdout: 1, stderr: 2, ruleset: 3, mounts: 4 },
      services.folder.run,
    );
    undoing.defer(() => launch.abandon());
    launch.load({ steps: noSteps });
    launch.complete();
    if (resolved !== null) await egress.confine(cgroup);
    const init = await launch.init();
    if (kernel.cgroups.get(cgroup) !== checked) throw replacedCgroup(cgroup);
    const cleanup = undoing.move();
    return {
      launch,
      lastLine: undefined,
      env: request.env,
      undo: () => cleanup.disposeAsync(),
      sandboxed: {
        command: "/bin/program",
        workDir: "/",
        user: request.user,
        uid: Number(request.user.slice("nomad-".length)),
        gid: Number(request.user.slice("nomad-".length)),
        groups: [],
        capabilities: [],
        resourceLimits: [],
        umask: 0o022,
        nice: 0,
        seccomp: null,
        limits: [],
        unveiled: [],
        skipped: [],
        root: "private",
        privateTmp: true,
        sharedTmpReason: null,
        egress: resolved,
        unrecordedDenials: services.denials.problem ?? null,
        oomKills,
        output: own?.begin ?? null,
        runFolder: files.folder,
        runCgroup: null,
        init,
        plan: [],
      },
    };
  };

function beginLaunch(kernel: Kernel, plugin: PluginProcess, early: EarlyPlan, releasePipe: number) {
  plugin.enter("begin launch", early.aliveFifo);
  const { fds, life, scheduler } = plugin;
  const first = Promise.withResolvers<ProcessIdentity | undefined>();
  const report = Promise.withResolvers<Report>();
  const fifo = kernel.files.get(early.aliveFifo);
  const runFolder = early.aliveFifo.slice(0, early.aliveFifo.lastIndexOf("/"));
  const taskId = taskOfRunFolder(runFolder.slice(runFolder.lastIndexOf("/") + 1));
  const { pipe } = fds.get(releasePipe) as ReadEnd;
  // The spawner has the read end until its child has it.
  pipe.readers.add(first);
  const identity = ({ pid, startTicks }: Process) => ({ pid, startTicks });
  scheduler.in(scheduler.latency(), kernel.life, "the spawner forks", () => {
    pipe.readers.delete(first);
    kernel.launch(
      { taskId: String(taskId), runFolder, cgroup: early.cgroup ?? "", fifo, plugin: life },
      pipe,
      {
        // The first record in the pipe is init's.
        onIdentity: (process) => {
          if (process.parent === undefined)
            scheduler.in(scheduler.latency(), life, "a report arrives", () =>
              first.resolve(identity(process)),
            );
        },
        onEnd: (processes) => {
          const all = processes.map(identity);
          scheduler.in(scheduler.latency(), life, "a report ends", () => {
            first.resolve(all[0]);
            report.resolve({ processes: all, failure: undefined });
          });
        },
      },
    );
  });
  return { table: fds.add("other"), first: first.promise, report: report.promise };
}

class NoRehearsal {
  postpone(): void {}
  async end(): Promise<void> {}
}

class NoRoots {
  [Symbol.dispose](): void {}
}
