/**
 * Steps of a run that stays in the plugin's pid namespace. What a pid namespace does
 * for others, that orphans come to init and that nothing outlives it, is done here by
 * a subreaper (PR_SET_CHILD_SUBREAPER(2const)) and a cgroup of the run's own, which
 * is killed as a whole: `cgroup.kill` of cgroups(7), from kernel 5.14 on.
 */
import * as k from "../../kernel/constants.ts";
import type { RunCgroup } from "../launchInput.ts";
import { bytes, descriptors, flags, octal, type Step } from "../plan.ts";
import { closeScratchStep, openFolderStep } from "./fileSteps.ts";

const { O_CLOEXEC, O_PATH, O_WRONLY } = k;

/** Of init, before its mounts may hide the cgroup's path. */
export function beginningOfRunCgroup({ parent }: RunCgroup): Step[] {
  const { PR_SET_CHILD_SUBREAPER } = k;
  const name = "open the task's cgroup";
  return [
    { name: "adopt orphans", call: "prctl", args: [flags({ PR_SET_CHILD_SUBREAPER }), 1, 0, 0, 0] },
    openFolderStep(name, parent),
    ...keepSteps(name, descriptors.cgroup),
  ];
}

/**
 * Of init, before it forks the task: not earlier, since before the word to go on
 * nothing is known of the run that its cgroup could be found by if the plugin dies.
 * No controllers are enabled in it, so that the limits of the task's cgroup hold for
 * all of it, and processes may be in both.
 */
export function makeRunCgroupSteps({ name: folder }: RunCgroup): Step[] {
  const { cgroup, runCgroup, killSwitch } = descriptors;
  const name = "make the run's cgroup";
  const open = (path: string, how: typeof folderOnly): Step => ({
    name,
    call: "openat",
    args: [cgroup, path, how, 0],
  });
  return [
    { name, call: "mkdirat", args: [cgroup, folder, octal(0o755)] },
    open(folder, folderOnly),
    ...keepSteps(name, runCgroup),
    open(`${folder}/cgroup.kill`, forWriting),
    ...keepSteps(name, killSwitch),
  ];
}

/** Of init, once the task has ended: `killSwitch` and `cgroup` are where it has kept those two. */
export function killRunCgroupStep(killSwitch: number): Step {
  const content = new TextEncoder().encode("1");
  return {
    name: "kill the rest",
    call: "write",
    args: [killSwitch, bytes(content, '"1"'), content.length],
    // The cgroup is gone where somebody has removed it, and so is the rest.
    flow: { kind: "tolerateErrors" },
  };
}

export function removeRunCgroupStep(cgroup: number, { name: folder }: RunCgroup): Step {
  const { AT_REMOVEDIR } = k;
  return {
    name: "remove the run's cgroup",
    call: "unlinkat",
    args: [cgroup, folder, flags({ AT_REMOVEDIR })],
    // A command of `alloc exec` may be ending in it still: it is no child of init's, and the plugin waits for it.
    flow: { kind: "tolerateErrors" },
  };
}

/** PID 1 of a namespace gets no signal that it has not asked for: nor does this init, but for SIGKILL and SIGSTOP. */
export function blockSignalsStep(): Step {
  const { SIG_SETMASK } = k;
  const all = new Uint8Array(8).fill(0xff);
  return {
    name: "block signals",
    call: "rt_sigprocmask",
    args: [flags({ SIG_SETMASK }), bytes(all, "every signal"), 0, all.length],
  };
}

const folderOnly = flags({ O_PATH, O_CLOEXEC });
const forWriting = flags({ O_WRONLY, O_CLOEXEC });

/** From where it was opened to a number that it keeps. */
function keepSteps(name: string, number: number): Step[] {
  return [
    { name, call: "dup3", args: [descriptors.scratch, number, flags({ O_CLOEXEC })] },
    closeScratchStep(name),
  ];
}
