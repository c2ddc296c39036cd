/** The steps of the run's init after it has forked the task: init waits, records and cleans up. Pure. */

import type { RunCgroup } from "../cgroup/runCgroupSteps.ts";
import { blockSignalsStep, killRunCgroupStep, removeRunCgroupStep } from "../cgroup/runCgroupSteps.ts";
import * as k from "../kernel/constants.ts";
import { dropCapabilitiesStep, unmapSecretsStep } from "../plan/commonSteps.ts";
import { descriptors, flags, place, type Step, shared } from "../plan/plan.ts";
import { kept, statusFileLayout } from "../plan/runLayout.ts";
import { matchAddress } from "../plan/table.ts";

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
export function taskPidAddress(runCgroup: RunCgroup | undefined): number {
  return matchAddress(preparation(runCgroup).length);
}

function preparation(runCgroup: RunCgroup | undefined): Step[] {
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
    // The descriptors of Landlock rules stay open. They have the highest numbers.
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

function keepOpenStep(name: string, descriptor: number, number: number): Step {
  return { name, call: "dup3", args: [descriptor, number, 0] };
}
