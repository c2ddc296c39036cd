/** What the run's init does once it has forked the task: it waits, records and clears up. */
import * as k from "../../kernel/constants.ts";
import type { RunCgroup } from "../launchInput.ts";
import { descriptors, flags, place, type Step, statusFileLayout } from "../plan.ts";
import { EARLY_ADDRESS, matchAddress, TABLE_ADDRESS, TABLE_BYTES } from "../table.ts";
import { blockSignalsStep, killRunCgroupStep, removeRunCgroupStep } from "./runCgroupSteps.ts";

const { SIGKILL } = k;
const { status, bytes } = statusFileLayout;

const ANY_CHILD = -1;
const EVERY_PROCESS = -1;

/**
 * Where init keeps the files that it still needs, so that it can close all others
 * at once: those two; the task's ruleset, which the kernel keeps as long as somebody
 * has it open, since whoever joins the task later restricts itself with it; and what
 * it ends a run with that has no pid namespace.
 */
export const kept = { status: 0, alive: 1, ruleset: 2, killSwitch: 3, cgroup: 4 } as const;

export function superviseSteps(runCgroup: RunCgroup | undefined): Step[] {
  return [
    ...preparation(runCgroup),
    {
      name: "wait for the task, reap orphans",
      call: "wait4",
      args: [ANY_CHILD, place("waitStatus"), 0, 0],
      // Its number is not used again while init hasn't reaped it.
      flow: { kind: "repeatUntilTask" },
    },
    // Before the rest is killed, which may take its time: the file's age tells when the task ended.
    {
      name: "record the wait status",
      call: "pwrite64",
      args: [kept.status, place("waitStatus"), bytes.status, status],
    },
    // Init's end would kill the rest as well, but only after the alive FIFO has been closed.
    runCgroup ? killRunCgroupStep(kept.killSwitch) : killNamespaceStep(),
    {
      name: "reap the rest",
      call: "wait4",
      args: [ANY_CHILD, 0, 0, 0],
      flow: { kind: "repeatUntilError" },
    },
    ...(runCgroup ? [removeRunCgroupStep(kept.cgroup, runCgroup)] : []),
    { name: "end", call: "exit_group", args: [0] },
  ];
}

/** Address that the kernel has to write the task's number to, for init to know which of its children it is. */
export function awaitedNumber(runCgroup: RunCgroup | undefined): number {
  return matchAddress(preparation(runCgroup).length);
}

function preparation(runCgroup: RunCgroup | undefined): Step[] {
  return [
    // Init must not hold the task's output open: its reader waits for the end of file.
    keepOpenStep("keep the status file", descriptors.status, kept.status),
    keepOpenStep("keep the alive FIFO", descriptors.alive, kept.alive),
    keepOpenStep("keep the ruleset", descriptors.ruleset, kept.ruleset),
    ...(runCgroup
      ? [
          keepOpenStep("keep the run's kill switch", descriptors.killSwitch, kept.killSwitch),
          keepOpenStep("keep the task's cgroup", descriptors.cgroup, kept.cgroup),
        ]
      : []),
    // But for the descriptors of Landlock rules, whose numbers come last.
    {
      name: "close everything else",
      call: "close_range",
      args: [(runCgroup ? kept.cgroup : kept.ruleset) + 1, descriptors.heldRules - 1, 0],
    },
    forgetSecretsStep(),
    ...(runCgroup ? [blockSignalsStep()] : []),
  ];
}

/** Only for the init of a pid namespace: anywhere else these are all processes of the host. */
function killNamespaceStep(): Step {
  return {
    name: "kill the rest",
    call: "kill",
    args: [EVERY_PROCESS, flags({ SIGKILL })],
    // ESRCH where there is no rest.
    flow: { kind: "tolerateErrors" },
  };
}

/** The environment is gone from the process's memory, which gets smaller too. */
export function forgetSecretsStep(): Step {
  const bytes = TABLE_ADDRESS + TABLE_BYTES - EARLY_ADDRESS;
  return { name: "forget the task's secrets", call: "munmap", args: [EARLY_ADDRESS, bytes] };
}

function keepOpenStep(name: string, descriptor: number, number: number): Step {
  return { name, call: "dup3", args: [descriptor, number, 0] };
}
