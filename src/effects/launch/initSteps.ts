/** What the run's init does before it forks the task: it furnishes the namespaces. */
import * as k from "../kernel/constants.ts";
import { cloneArgs } from "../kernel/structs.ts";
import {
  closeRangeStep,
  oomScoreAdjSteps,
  openFolderStep,
  openStep,
  reportIdentitySteps,
} from "./fileSteps.ts";
import { initRuleSteps } from "./landlockSteps.ts";
import type { LaunchInput } from "./launchInput.ts";
import { mountSteps } from "./mountSteps.ts";
import { networkSteps } from "./networkSteps.ts";
import { bytes, descriptors, flags, place, type Step } from "./plan.ts";

const { PR_SET_NAME, KEYCTL_JOIN_SESSION_KEYRING, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_CLOEXEC } = k;

export function initSteps(input: LaunchInput): Step[] {
  return [
    { name: "name init", call: "prctl", args: [flags({ PR_SET_NAME }), "exec2-init"] },
    { name: "give init a session", call: "setsid", args: [] },
    // Possession of a session keyring gives rights to its keys whatever the uid: the agent's are not the task's.
    {
      name: "leave the agent's keyring",
      call: "keyctl",
      args: [flags({ KEYCTL_JOIN_SESSION_KEYRING }), 0],
      // ENOSYS where the kernel has no keyrings.
      flow: { kind: "tolerateErrors" },
    },
    // Drops the cgroup's descriptor, so that the numbers of those that follow are known.
    closeRangeStep("close the cgroup's folder", descriptors.free),
    openFolderStep("open the plugin's /proc", "/proc"),
    // Opened before anything is mounted over their paths.
    openStep(
      "open the status file",
      input.statusFile,
      flags({ O_WRONLY, O_CREAT, O_TRUNC, O_CLOEXEC }),
      0o600,
    ),
    // A byte of it is a block of the disk, which may be full when the status has to be recorded.
    { name: "make room for the status", call: "write", args: [descriptors.status, place("waitStatus"), 1] },
    // For reading too, so that it doesn't wait for a reader.
    openStep("open the alive FIFO", input.aliveFifo, flags({ O_RDWR, O_CLOEXEC })),
    ...reportIdentitySteps("report init"),
    // Out of memory hits the task and leaves init to record it. In a container without CAP_SYS_RESOURCE it can't be had.
    ...oomScoreAdjSteps("protect init from OOM", -1000, { kind: "tolerateErrors" }),
    ...networkSteps(input),
    ...mountSteps(input),
    ...initRuleSteps(input.namespaceRules),
    { name: "leave the working directory", call: "chdir", args: ["/"] },
    forkTask(),
  ];
}

function forkTask(): Step {
  const attributes = cloneArgs({ exitSignal: k.SIGCHLD });
  return {
    name: "fork the task",
    call: "clone3",
    args: [bytes(attributes, "{exit_signal: SIGCHLD}"), attributes.length],
    flow: { kind: "fork", child: "task", parent: "supervise" },
  };
}
