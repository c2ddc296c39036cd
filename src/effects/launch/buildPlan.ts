/** Builds the system calls that start a task, in their order. The parts of the launch have most of them. Pure. */

import {
  type DelegatedCgroups,
  enterDelegatedSteps,
  openDelegatedSteps,
} from "../cgroup/delegatedCgroups.ts";
import {
  blockSignalsStep,
  killRunCgroupStep,
  makeRunCgroupSteps,
  prepareRunCgroupSteps,
  type RunCgroup,
  removeRunCgroupStep,
} from "../cgroup/runCgroupSteps.ts";
import * as k from "../kernel/constants.ts";
import { cloneArgs } from "../kernel/structs.ts";
import { initRuleSteps, taskRuleSteps, unveilSteps } from "../landlock/landlockSteps.ts";
import type { KnownRule, NamespaceRule } from "../landlock/rules.ts";
import { type Collector, openLoggerFifoStep } from "../logs/collector.ts";
import { type Logger, loggerState, loggerSteps } from "../logs/logger.ts";
import { type Relay, relayPhases, relayState } from "../logs/relay.ts";
import { type LaunchNetwork, networkSteps } from "../network/network.ts";
import type { TaskOptions } from "../parts.ts";
import {
  closeRangeStep,
  dropCapabilitiesStep,
  endWithParentStep,
  leaveKeyringStep,
  notDumpableStep,
  oomScoreAdjSteps,
  openFolderStep,
  openStep,
  readRestStep,
  reportIdentitySteps,
  unmapSecretsStep,
} from "../plan/commonSteps.ts";
import {
  bytes,
  descriptors,
  type EarlyPlan,
  flags,
  identityRecord,
  kept,
  type LatePlan,
  place,
  type Step,
  shared,
  statusFileLayout,
} from "../plan/plan.ts";
import { matchAddress } from "../plan/table.ts";
import { type LaunchMounts, mountSteps } from "../root/mountSteps.ts";
import { type TaskProcess, taskSteps } from "./taskSteps.ts";

const { PR_SET_NAME, O_WRONLY, O_RDWR, O_CREAT, O_CLOEXEC, SIGKILL, WNOHANG } = k;
const { status, statusBytes, left, leftBytes } = statusFileLayout;

const held = new Uint8Array(statusFileLayout.heldBytes);
held.set(statusFileLayout.noStatus, status);
const noStatus = bytes(held, "no status yet, not released");

const ANY_CHILD = -1;
const EVERY_PROCESS = -1;

/** The input for the run's init and its namespaces. */
export interface EarlyInput extends LaunchMounts {
  /** The task's options as the job sets them. The other fields depend on this host. */
  readonly options: TaskOptions;
  /** First argument of the run's init, so that `ps` shows `exec2-init: <alloc>/<task>`. */
  readonly initName: string;
  /** Absolute path of the cgroup v2 folder in which the task starts; undefined for this process's cgroup. */
  readonly cgroup: string | undefined;
  readonly network: LaunchNetwork;
  /** The run's own host name, in ASCII; undefined for the host's. */
  readonly hostname: string | undefined;
  /** Set if the run stays in this process's pid namespace; undefined if it has its own pid namespace. */
  readonly runCgroup: RunCgroup | undefined;
  /** Set if the task gets a subtree of cgroups of its own, in which it starts. */
  readonly delegated?: DelegatedCgroups | undefined;
  /** The file in which init records the task's raw wait status. Only root may access the file's folder. */
  readonly statusFile: string;
  /** Landlock rules that init adds in its root. */
  readonly knownRules: readonly KnownRule[];
  /** The logger of the run; undefined if the driver does not write its log files. */
  readonly logger: Logger | undefined;
  /** The relay of the run to journald, instead of a logger. */
  readonly relay: Relay | undefined;
  /** An existing FIFO in the status file's folder. Init holds the FIFO open for writing until it exits. */
  readonly aliveFifo: string;
}

export interface LateInput extends TaskProcess {
  /** Landlock rules that only the run's own processes can add. */
  readonly namespaceRules: readonly NamespaceRule[];
  /** As in {@link EarlyInput}. */
  readonly runCgroup: RunCgroup | undefined;
  readonly delegated?: DelegatedCgroups | undefined;
}

/** Builds the part of a plan that can start before the rest of the input is known. */
export function buildEarlyPlan(input: EarlyInput): EarlyPlan {
  const { CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS } = k;
  const { cgroup, logger, relay } = input;
  const collector = logger ?? relay;
  const fifo = openedByParent(cgroup);
  return {
    initName: input.initName,
    aliveFifo: input.aliveFifo,
    cgroup,
    loggerState: (logger && loggerState(logger)) ?? (relay && relayState(relay)),
    steps: {
      parent: parentSteps(
        cgroup,
        {
          ...(input.runCgroup ? {} : { CLONE_NEWPID }),
          ...(input.options.ipcMode === "host" ? {} : { CLONE_NEWIPC }),
          ...(input.hostname === undefined ? {} : { CLONE_NEWUTS }),
        },
        collector,
      ),
      init: initSteps(input),
      unveil: unveilSteps(input.knownRules),
      held: heldSteps,
      abandoned: abandonedSteps,
      ...noRelay,
      ...(relay && relayPhases(relay, fifo, cgroup === undefined ? undefined : descriptors.free)),
      ...(logger && { logger: loggerSteps(logger, fifo) }),
      supervise: superviseSteps(input.runCgroup, collector !== undefined),
    },
  };
}

const noRelay = { logger: [], relay: [], relaying: [], stalled: [], drained: [] } as const;

/** @throws DriverError `USER_FORBIDDEN` for a uid or gid that the kernel would not set */
export function buildLatePlan(input: LateInput): LatePlan {
  const asUser = [
    // In a pid namespace the kernel kills all processes when init exits. Elsewhere this step ends the task's
    // main process with init, and the run's other processes are killed through the run's cgroup.
    ...(input.runCgroup ? [endWithParentStep("end with init")] : []),
    ...taskRuleSteps(input.namespaceRules),
  ];
  return {
    steps: {
      rest: restSteps(input),
      task: taskSteps(input, {
        identified: [recordTaskStep, ...(input.delegated ? enterDelegatedSteps() : [])],
        asUser,
        held: taskHeldSteps,
      }),
      dropped: abandonedSteps,
    },
  };
}

/**
 * The plugin may die between the release and the commit of the task's identity. From this record the next plugin
 * learns which process the task is.
 */
const recordTaskStep: Step = {
  name: "record the task",
  call: "pwrite64",
  args: [descriptors.status, place("identity"), identityRecord.bytes, statusFileLayout.task],
};

/**
 * The last steps before the task's filter and command. Everything that can be done for the task without running
 * it is done by then, while the plugin writes to its log. The next plugin learns from the length of the status
 * file whether the task was released.
 */
const taskHeldSteps = shared([
  {
    name: "wait for the go-ahead",
    call: "read",
    args: [descriptors.releasePipe, place("waitStatus"), 1],
    flow: { kind: "endOfFile", ended: "dropped", otherwise: "next" },
  },
  {
    name: "record the release",
    call: "ftruncate",
    args: [descriptors.status, statusFileLayout.releasedBytes],
  },
]);

/**
 * The spawned process only forks init, and exits or becomes the run's logger. So init is not the plugin's
 * child, and outlives the plugin.
 *
 * Init starts in its cgroup (clone(2), `CLONE_INTO_CGROUP`). Moving a process there through `cgroup.procs`
 * takes 8 ms or more on a host that rarely moves processes, because the kernel waits for an RCU grace period.
 */
export function parentSteps(
  cgroup: string | undefined,
  namespaces: Readonly<Record<string, number>>,
  logger?: Pick<Collector, "aliveFifo">,
): Step[] {
  const close = "close inherited descriptors";
  const name = "enter namespaces and cgroup";
  const fork = (how: Readonly<Record<string, number>>, meaning: string): Step => {
    const { value, names } = flags(how);
    const attributes = cloneArgs({ flags: value, exitSignal: k.SIGCHLD, cgroup: descriptors.free });
    return {
      name,
      call: "clone3",
      args: [bytes(attributes, `{flags: ${names}, exit_signal: SIGCHLD${meaning}}`), attributes.length],
      flow: { kind: "fork", child: "init", parent: logger ? "logger" : "next" },
    };
  };
  const { CLONE_INTO_CGROUP } = k;
  return [
    // The task must not inherit descriptors that the agent left open. These two steps close all of them, but
    // not the plan's own descriptors. Afterwards, new descriptors get known numbers.
    ...(logger
      ? [
          {
            name: close,
            call: "close_range",
            args: [descriptors.free, descriptors.logRelease - 1, 0],
          } as const,
          {
            name: close,
            call: "close_range",
            args: [descriptors.logFolder + 1, descriptors.mounts - 1, 0],
          } as const,
          closeRangeStep(close, descriptors.stderrRead + 1),
        ]
      : [
          { name: close, call: "close_range", args: [descriptors.free, descriptors.mounts - 1, 0] } as const,
          closeRangeStep(close, descriptors.mounts + 1),
        ]),
    ...(cgroup === undefined ? [] : [openFolderStep(name, cgroup)]),
    ...(logger ? [openLoggerFifoStep(logger)] : []),
    cgroup === undefined
      ? fork(namespaces, "")
      : fork({ ...namespaces, CLONE_INTO_CGROUP }, `, cgroup: ${descriptors.free}`),
    ...(logger ? [] : [{ name: "exit the parent of init", call: "exit_group", args: [0] } as const]),
  ];
}

/** The last descriptor that the spawned process has opened when it forks init: the logger's FIFO, if any. */
function openedByParent(cgroup: string | undefined): number {
  return cgroup === undefined ? descriptors.free : descriptors.free + 1;
}

/**
 * The steps of init before it waits for the rest of the plan: init sets up the namespaces. Meanwhile the plugin
 * adds the Landlock rules and sets the limits, so the two processes work in parallel. If the plugin dies or gives
 * up the launch, the pipe from the plugin ends, and init exits.
 */
function initSteps(input: EarlyInput): Step[] {
  return [
    ...beginning,
    ...((input.logger ?? input.relay) ? closeForLogger : input.cgroup === undefined ? [] : closeCgroup),
    ...openProc,
    // These are opened before any mount can hide their paths.
    openStep("open the status file", input.statusFile, flags({ O_WRONLY, O_CREAT, O_CLOEXEC }), 0o600),
    ...reserveSpace,
    // Opened for reading too, so that the call doesn't block until there is a reader.
    openStep("open the alive FIFO", input.aliveFifo, flags({ O_RDWR, O_CLOEXEC })),
    ...(input.runCgroup ? prepareRunCgroupSteps(input.runCgroup) : []),
    ...(input.delegated ? openDelegatedSteps(input.delegated) : []),
    ...reportAndProtect,
    ...networkSteps(input.network, input.hostname),
    ...mountSteps(input),
  ];
}

const beginning = shared([
  { name: "name the init process", call: "prctl", args: [flags({ PR_SET_NAME }), "exec2-init"] },
  notDumpableStep(),
  { name: "start a session for init", call: "setsid", args: [] },
  leaveKeyringStep(),
]);

/** Frees the descriptor's number, so that later descriptors have known numbers. */
const closeCgroup = shared([{ name: "close the cgroup's folder", call: "close", args: [descriptors.free] }]);

const closeForLogger = shared([
  {
    name: "close the cgroup's folder and the logger's descriptors",
    call: "close_range",
    args: [descriptors.free, descriptors.logFolder, 0],
  },
]);

const openProc = shared([openFolderStep("open the plugin's /proc", "/proc")]);

/** Allocates the file's block now. The disk may be full when the task and its status have to be recorded. */
const reserveSpace = shared([
  {
    name: "reserve space for the status",
    call: "write",
    args: [descriptors.status, noStatus, statusFileLayout.heldBytes],
  },
]);

/**
 * The OOM killer must choose the task, so that init can record the task's end. The protection fails in a
 * container without CAP_SYS_RESOURCE.
 */
const reportAndProtect = shared([
  ...reportIdentitySteps("report init"),
  ...oomScoreAdjSteps("protect init from OOM", -1000, { kind: "tolerateErrors" }),
]);

/** The steps of init, or of the task's process, if the plugin dies or gives the launch up. */
const abandonedSteps = shared([{ name: "exit", call: "exit_group", args: [0] }]);

/**
 * The table's late part comes through the table's file and not through the pipe, because an environment may
 * exceed a pipe's capacity.
 */
const heldSteps = shared([
  {
    name: "wait for the rest of the plan",
    call: "read",
    args: [descriptors.releasePipe, place("waitStatus"), 1],
    flow: { kind: "endOfFile", ended: "abandoned", otherwise: "next" },
  },
  readRestStep({ kind: "endOfFile", ended: "abandoned", otherwise: "rest" }),
]);

/** The steps of init with the rest of the plan. */
function restSteps({ namespaceRules, runCgroup, delegated }: LateInput): Step[] {
  return [
    ...initRuleSteps(namespaceRules),
    ...(runCgroup ? makeRunCgroupSteps(runCgroup) : []),
    ...(runCgroup || delegated ? [forkTask(runCgroup, delegated !== undefined)] : forkInNamespace),
  ];
}

function forkTask(runCgroup: RunCgroup | undefined, isDelegated = false): Step {
  const { CLONE_PARENT_SETTID, CLONE_INTO_CGROUP } = k;
  const isInCgroup = runCgroup !== undefined || isDelegated;
  const { value, names } = flags({ CLONE_PARENT_SETTID, ...(isInCgroup && { CLONE_INTO_CGROUP }) });
  const attributes = cloneArgs({
    flags: value,
    parentTid: taskPidAddress(runCgroup),
    exitSignal: k.SIGCHLD,
    ...(isInCgroup && { cgroup: descriptors.runCgroup }),
  });
  const cgroup = isInCgroup ? `, cgroup: ${descriptors.runCgroup}` : "";
  const meaning = `{flags: ${names}, parent_tid: what is waited for, exit_signal: SIGCHLD${cgroup}}`;
  return {
    name: "fork the task",
    call: "clone3",
    args: [bytes(attributes, meaning), attributes.length],
    flow: { kind: "fork", child: "task", parent: "supervise" },
  };
}

const forkInNamespace = shared([forkTask(undefined)]);

/** The steps of init after it has forked the task: init waits, records and cleans up. */
function superviseSteps(runCgroup: RunCgroup | undefined, hasLogger: boolean): readonly Step[] {
  if (runCgroup) return stepsOf(runCgroup, hasLogger);
  inNamespace ??= {
    withLogger: shared(stepsOf(undefined, true)),
    withoutLogger: shared(stepsOf(undefined, false)),
  };
  return hasLogger ? inNamespace.withLogger : inNamespace.withoutLogger;
}

let inNamespace: Readonly<Record<"withLogger" | "withoutLogger", readonly Step[]>> | undefined;

function stepsOf(runCgroup: RunCgroup | undefined, hasLogger: boolean): Step[] {
  return [
    ...preparation(runCgroup, hasLogger),
    {
      name: "wait for the task, reap orphans",
      call: "wait4",
      args: [ANY_CHILD, place("waitStatus"), 0, 0],
      // The task's pid is not reused until init has reaped it.
      flow: { kind: "repeatUntilTask" },
    },
    // The children of a process that ends are init's before its parent learns of the end. Those that have ended, too,
    // are reaped, so that 0 says that some run, and ECHILD that there are none.
    {
      name: "look for processes that the task has left",
      call: "wait4",
      args: [ANY_CHILD, 0, flags({ WNOHANG }), 0],
      flow: { kind: "repeatUntilZeroOrSkip" },
    },
    {
      name: "record that there are some",
      call: "pwrite64",
      args: [kept.status, "left", leftBytes, left],
    },
    // Recorded before init kills the rest, because the kill may take a while, and the file's modification
    // time is the time of the task's end.
    {
      name: "record the wait status",
      call: "pwrite64",
      args: [kept.status, place("waitStatus"), statusBytes, status],
    },
    // In a pid namespace, init's exit would kill the rest, too, but only after the alive FIFO has been
    // closed.
    runCgroup ? killRunCgroupStep(kept.killSwitch) : killNamespaceStep(),
    {
      name: "reap the remaining processes",
      call: "wait4",
      args: [ANY_CHILD, 0, 0, 0],
      flow: { kind: "repeatUntilError" },
    },
    ...(runCgroup ? [removeRunCgroupStep(kept.cgroup, runCgroup)] : []),
    { name: "exit", call: "exit_group", args: [0] },
  ];
}

/** Address to which the kernel writes the task's pid, so that init recognizes the task among its children. */
function taskPidAddress(runCgroup: RunCgroup | undefined): number {
  return matchAddress(preparation(runCgroup, false).length);
}

/** The number of steps must not depend on the logger, which the late part of the plan does not know. */
function preparation(runCgroup: RunCgroup | undefined, hasLogger: boolean): Step[] {
  const last = hasLogger ? descriptors.mounts : descriptors.heldRules - 1;
  return [
    // Init must not keep the task's output open, because the output's reader waits for the end of file.
    keepOpenStep("keep the status file", descriptors.status, kept.status),
    keepOpenStep("keep the alive FIFO", descriptors.alive, kept.alive),
    keepOpenStep("keep the ruleset", descriptors.ruleset, kept.ruleset),
    ...(runCgroup
      ? [
          keepOpenStep("keep the run's kill switch", descriptors.killSwitch, kept.killSwitch),
          keepOpenStep("keep the task's cgroup", descriptors.cgroup, kept.cgroup),
        ]
      : []),
    // The descriptors of Landlock rules stay open, and the pipes of a logger. They have the highest numbers.
    {
      name: "close all other descriptors",
      call: "close_range",
      args: [(runCgroup ? kept.cgroup : kept.ruleset) + 1, last, 0],
    },
    unmapSecretsStep(),
    dropCapabilitiesStep(),
    ...(runCgroup ? [blockSignalsStep()] : []),
  ];
}

/**
 * Kills all processes that init sees. Only for the init of a pid namespace: in the host's namespace these
 * would be the host's processes.
 */
function killNamespaceStep(): Step {
  return {
    name: "kill the remaining processes",
    call: "kill",
    args: [EVERY_PROCESS, flags({ SIGKILL })],
    // ESRCH if no process is left.
    flow: { kind: "tolerateErrors" },
  };
}

function keepOpenStep(name: string, descriptor: number, number: number): Step {
  return { name, call: "dup3", args: [descriptor, number, 0] };
}
