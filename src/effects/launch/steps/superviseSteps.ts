/** The steps of the run's init after it has forked the task: init waits, records and cleans up. */
import { capabilitySet } from "../../../config/values/capabilities.ts";
import * as k from "../../kernel/constants.ts";
import { capabilityData, capabilityHeader } from "../../kernel/structs.ts";
import { kept, statusFileLayout } from "../../run/runLayout.ts";
import type { RunCgroup } from "../launchInput.ts";
import { bytes, descriptors, flags, place, type Step, shared } from "../plan.ts";
import { EARLY_ADDRESS, matchAddress, TABLE_ADDRESS, TABLE_BYTES } from "../table.ts";
import { blockSignalsStep, killRunCgroupStep, removeRunCgroupStep } from "./runCgroupSteps.ts";

const { SIGKILL } = k;
const { status, statusBytes } = statusFileLayout;

const ANY_CHILD = -1;
const EVERY_PROCESS = -1;

export function superviseSteps(runCgroup: RunCgroup | undefined): readonly Step[] {
  if (runCgroup) return stepsOf(runCgroup);
  inNamespace ??= shared(stepsOf(undefined));
  return inNamespace;
}

let inNamespace: readonly Step[] | undefined;

function stepsOf(runCgroup: RunCgroup | undefined): Step[] {
  return [
    ...preparation(runCgroup),
    {
      name: "wait for the task, reap orphans",
      call: "wait4",
      args: [ANY_CHILD, place("waitStatus"), 0, 0],
      // The task's pid is not reused until init has reaped it.
      flow: { kind: "repeatUntilTask" },
    },
    // Recorded before init kills the rest, because that may take a while, and the file's modification time is
    // the time of the task's end.
    {
      name: "record the wait status",
      call: "pwrite64",
      args: [kept.status, place("waitStatus"), statusBytes, status],
    },
    // Init's exit would kill the rest too, but only after the alive FIFO has been closed.
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
export function taskPidAddress(runCgroup: RunCgroup | undefined): number {
  return matchAddress(preparation(runCgroup).length);
}

function preparation(runCgroup: RunCgroup | undefined): Step[] {
  return [
    // Init must not keep the task's output open, because its reader waits for the end of file.
    keepOpenStep("keep the status file", descriptors.status, kept.status),
    keepOpenStep("keep the alive FIFO", descriptors.alive, kept.alive),
    keepOpenStep("keep the ruleset", descriptors.ruleset, kept.ruleset),
    ...(runCgroup
      ? [
          keepOpenStep("keep the run's kill switch", descriptors.killSwitch, kept.killSwitch),
          keepOpenStep("keep the task's cgroup", descriptors.cgroup, kept.cgroup),
        ]
      : []),
    // Except the descriptors of Landlock rules, which have the highest numbers.
    {
      name: "close all other descriptors",
      call: "close_range",
      args: [(runCgroup ? kept.cgroup : kept.ruleset) + 1, descriptors.heldRules - 1, 0],
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

/** Removes the environment from the process's memory, which also frees memory. */
export function unmapSecretsStep(): Step {
  const size = TABLE_ADDRESS + TABLE_BYTES - EARLY_ADDRESS;
  return { name: "unmap the task's secrets", call: "munmap", args: [EARLY_ADDRESS, size] };
}

/**
 * capset(2) of a process that only waits from now on. It keeps CAP_KILL, with which init kills what is left
 * of the task. The child's PR_SET_PDEATHSIG(2const) needs CAP_KILL, too: the kernel sends that signal only if
 * the parent may signal the child.
 */
export function dropCapabilitiesStep(): Step {
  const set = capabilitySet(["kill"]);
  const header = bytes(capabilityHeader(), "{version: 3, pid: 0}");
  const data = capabilityData({ effective: set, permitted: set, inheritable: 0n });
  const meaning = "{effective: CAP_KILL, permitted: CAP_KILL, inheritable: 0}";
  return { name: "keep only CAP_KILL", call: "capset", args: [header, bytes(data, meaning)] };
}

/**
 * PR_SET_DUMPABLE(2const): no core dump shows the plan with the task's environment, and no process without
 * CAP_SYS_PTRACE looks into this process. Lasts until execve(2), also in children.
 */
export function notDumpableStep(): Step {
  const { PR_SET_DUMPABLE } = k;
  return { name: "forbid dumps and tracing", call: "prctl", args: [flags({ PR_SET_DUMPABLE }), 0, 0, 0, 0] };
}

/** PR_SET_PDEATHSIG(2const): SIGKILL when the parent ends. */
export function endWithParentStep(name: string): Step {
  const { PR_SET_PDEATHSIG, SIGKILL } = k;
  return { name, call: "prctl", args: [flags({ PR_SET_PDEATHSIG }), flags({ SIGKILL })] };
}

function keepOpenStep(name: string, descriptor: number, number: number): Step {
  return { name, call: "dup3", args: [descriptor, number, 0] };
}
