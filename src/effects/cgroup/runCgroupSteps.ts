/**
 * Steps of a run that stays in the plugin's pid namespace. Its init has to do what a pid namespace does for
 * other runs. As a subreaper (PR_SET_CHILD_SUBREAPER(2const)), init adopts orphans. At the end it kills all
 * remaining processes at once, through the run's own cgroup: `cgroup.kill` of cgroups(7), from kernel 5.14
 * on. Pure.
 */
import * as k from "../kernel/constants.ts";
import { closeScratchStep, openFolderStep } from "../plan/commonSteps.ts";
import { bytes, descriptors, flags, octal, type Step } from "../plan/plan.ts";

const { O_CLOEXEC, O_PATH, O_WRONLY } = k;

/**
 * A cgroup that init creates for its run only, so that the whole run can be killed
 * at once, however its processes hide. The task starts in it. Init stays outside.
 */
export interface RunCgroup {
  /** Absolute path of the task's cgroup, which the agent has created. */
  readonly parent: string;
  /** Name of the run's cgroup below `parent`. */
  readonly name: string;
}

/**
 * The cgroup is named after the run's folder, whose name is unique.
 * @param parent the task's cgroup
 */
export function runCgroupOf(parent: string, folder: string): RunCgroup {
  return { parent, name: `exec2-${folder.slice(folder.lastIndexOf("/") + 1)}` };
}

/** Init's steps before its mounts, which may hide the cgroup's path. */
export function prepareRunCgroupSteps({ parent }: RunCgroup): Step[] {
  const { PR_SET_CHILD_SUBREAPER } = k;
  const name = "open the task's cgroup";
  return [
    { name: "become a subreaper", call: "prctl", args: [flags({ PR_SET_CHILD_SUBREAPER }), 1, 0, 0, 0] },
    openFolderStep(name, parent),
    ...keepSteps(name, descriptors.cgroup),
  ];
}

/**
 * Init's steps before it forks the task. They come after the release. Before the release, no event names the
 * cgroup, so nobody could find it if the plugin died. No controllers are enabled in the cgroup. So the limits
 * of the task's cgroup apply to the whole run, and both cgroups may contain processes.
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
    { name, call: "mkdirat", args: [cgroup, folder, octal(0o755)], hints: newCgroupHints },
    open(folder, folderOnly),
    ...keepSteps(name, runCgroup),
    open(`${folder}/cgroup.kill`, forWriting),
    ...keepSteps(name, killSwitch),
  ];
}

/** What a new cgroup may be refused for. */
export const newCgroupHints = {
  EAGAIN: "A limit on cgroups is reached: cgroup.max.descendants or cgroup.max.depth of a cgroup above",
};

/** Init's step after the task has exited. @param killSwitch init's descriptor of `cgroup.kill` */
export function killRunCgroupStep(killSwitch: number): Step {
  const content = new TextEncoder().encode("1");
  return {
    name: "kill the remaining processes",
    call: "write",
    args: [killSwitch, bytes(content, '"1"'), content.length],
    // Fails if somebody has removed the cgroup. Then no process remains, because only an empty cgroup can be
    // removed.
    flow: { kind: "tolerateErrors" },
  };
}

export function removeRunCgroupStep(cgroup: number, { name: folder }: RunCgroup): Step {
  const { AT_REMOVEDIR } = k;
  return {
    name: "remove the run's cgroup",
    call: "unlinkat",
    args: [cgroup, folder, flags({ AT_REMOVEDIR })],
    // Fails while a command of `alloc exec` is still exiting in the cgroup. The plugin waits for that
    // command, and init does not.
    flow: { kind: "tolerateErrors" },
  };
}

/**
 * PID 1 of a pid namespace gets only signals that it handles. The init of a run without such a namespace
 * blocks signals instead; only SIGKILL and SIGSTOP cannot be blocked.
 */
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

/** Moves the descriptor that was just opened to its permanent number. */
function keepSteps(name: string, number: number): Step[] {
  return [
    { name, call: "dup3", args: [descriptors.scratch, number, flags({ O_CLOEXEC })] },
    closeScratchStep(name),
  ];
}
