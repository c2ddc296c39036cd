/**
 * The steps of the run's init before it forks the task: init sets up the namespaces, and waits for the
 * go-ahead. Meanwhile the plugin adds the Landlock rules, sets the limits and writes to the log, so the two
 * processes work in parallel. If the plugin dies or gives up the launch, the pipe for the go-ahead ends, and
 * init exits. Pure.
 */

import type { RunCgroup } from "../cgroup/runCgroupSteps.ts";
import { makeRunCgroupSteps, prepareRunCgroupSteps } from "../cgroup/runCgroupSteps.ts";
import * as k from "../kernel/constants.ts";
import { cloneArgs } from "../kernel/structs.ts";
import { initRuleSteps } from "../landlock/landlockSteps.ts";
import { networkSteps } from "../network/network.ts";
import {
  leaveKeyringStep,
  notDumpableStep,
  oomScoreAdjSteps,
  openFolderStep,
  openStep,
  readRestStep,
  reportIdentitySteps,
} from "../plan/commonSteps.ts";
import { bytes, descriptors, flags, place, type Step, shared } from "../plan/plan.ts";
import { statusFileLayout } from "../plan/runLayout.ts";
import { mountSteps } from "../root/mountSteps.ts";
import type { EarlyInput, LateInput } from "./launchInput.ts";
import { taskPidAddress } from "./superviseSteps.ts";

const noStatus = bytes(statusFileLayout.noStatus, "no status yet");
const { PR_SET_NAME, O_WRONLY, O_RDWR, O_CREAT, O_CLOEXEC } = k;

export function initSteps(input: EarlyInput): Step[] {
  return [
    ...beginning,
    ...(input.cgroup === undefined ? [] : closeCgroup),
    ...openProc,
    // These are opened before any mount can hide their paths.
    openStep("open the status file", input.statusFile, flags({ O_WRONLY, O_CREAT, O_CLOEXEC }), 0o600),
    ...reserveSpace,
    // Opened for reading too, so that the call doesn't block until there is a reader.
    openStep("open the alive FIFO", input.aliveFifo, flags({ O_RDWR, O_CLOEXEC })),
    ...(input.runCgroup ? prepareRunCgroupSteps(input.runCgroup) : []),
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

const openProc = shared([openFolderStep("open the plugin's /proc", "/proc")]);

/** Allocates the file's block now. The disk may be full when the task and its status have to be recorded. */
const reserveSpace = shared([
  {
    name: "reserve space for the status",
    call: "write",
    args: [descriptors.status, noStatus, statusFileLayout.statusBytes],
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

/** The steps of init if the plugin dies or gives the launch up. */
export const abandonedSteps = shared([{ name: "exit", call: "exit_group", args: [0] }]);

/**
 * The table's late part comes through the table's file and not through the pipe, because an environment may
 * exceed a pipe's capacity.
 */
export const heldSteps = shared([
  {
    name: "wait for the go-ahead",
    call: "read",
    args: [descriptors.releasePipe, place("waitStatus"), 1],
    flow: { kind: "endOfFile", ended: "abandoned", otherwise: "next" },
  },
  readRestStep({ kind: "endOfFile", ended: "abandoned", otherwise: "release" }),
]);

/** The steps of init after its release. */
export function releaseSteps({ namespaceRules, runCgroup }: LateInput): Step[] {
  return [
    ...initRuleSteps(namespaceRules),
    ...(runCgroup ? makeRunCgroupSteps(runCgroup) : []),
    ...(runCgroup ? [forkTask(runCgroup)] : forkInNamespace),
  ];
}

function forkTask(runCgroup: RunCgroup | undefined): Step {
  const { CLONE_PARENT_SETTID, CLONE_INTO_CGROUP } = k;
  const { value, names } = flags({ CLONE_PARENT_SETTID, ...(runCgroup && { CLONE_INTO_CGROUP }) });
  const attributes = cloneArgs({
    flags: value,
    parentTid: taskPidAddress(runCgroup),
    exitSignal: k.SIGCHLD,
    ...(runCgroup && { cgroup: descriptors.runCgroup }),
  });
  const cgroup = runCgroup ? `, cgroup: ${descriptors.runCgroup}` : "";
  const meaning = `{flags: ${names}, parent_tid: what is waited for, exit_signal: SIGCHLD${cgroup}}`;
  return {
    name: "fork the task",
    call: "clone3",
    args: [bytes(attributes, meaning), attributes.length],
    flow: { kind: "fork", child: "task", parent: "supervise" },
  };
}

const forkInNamespace = shared([forkTask(undefined)]);
