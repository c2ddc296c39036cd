/** Opens processes by their identity, and sends signals to them. If a pid was reused, no signal is sent. */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { DriverError, hasErrno } from "../../base/errors.ts";
import { PIDFD_SIGNAL_PROCESS_GROUP } from "../kernel/constants.ts";
import { pidfdOpen, pidfdSendSignal } from "../kernel/libc.ts";
import { isSameProcess, livingProcesses, livingStat, type ProcessIdentity } from "./processIdentity.ts";

/**
 * Opens a process by pidfd_open(2), and then checks its identity: a pidfd keeps referring to the same
 * process.
 * @returns a pidfd, which the caller closes; undefined if the process has exited
 * @throws DriverError `KERNEL_CALL_FAILED`
 */
export function openProcess(process: ProcessIdentity): number | undefined {
  let pidfd: number;
  try {
    pidfd = pidfdOpen(process.pid);
  } catch (thrown) {
    if (hasErrno(thrown, "ESRCH")) return undefined;
    throw thrown;
  }
  if (isSameProcess(process)) return pidfd;
  closeSync(pidfd);
  return undefined;
}

/**
 * Sends a signal to the task's own process group: to the task, and to its children
 * that have not created a group of their own.
 * @param task the task's main process; it leads its group, unless another driver has started it
 * @returns false if the task has exited already
 * @throws DriverError `KERNEL_CALL_FAILED` if the kernel refuses
 */
export function signalGroup(task: ProcessIdentity, signal: number): boolean {
  return withProcess(task, (pidfd) => {
    try {
      signalOwnGroup(task.pid, pidfd, signal);
    } catch (thrown) {
      if (!hasErrno(thrown, "ESRCH")) throw thrown;
      pidfdSendSignal(pidfd, signal, 0);
      signalGroupMembers(task.pid, signal);
    }
  });
}

/** @throws with ESRCH if the process leads no group */
function signalOwnGroup(pid: number, pidfd: number, signal: number): void {
  try {
    pidfdSendSignal(pidfd, signal, PIDFD_SIGNAL_PROCESS_GROUP);
  } catch (thrown) {
    if (!hasErrno(thrown, "EINVAL")) throw thrown;
    // Kernels before 6.9 lack the flag. The pid could be reused in spite of the pidfd, but the identity was
    // checked a moment ago.
    process.kill(-pid, signal);
  }
}

/**
 * A task of the Go driver is in the process group of its supervisor. Most signals
 * would kill the supervisor and the supervisor's child, which is the task's parent,
 * and the task with them. So only the rest of the group is signalled.
 */
function signalGroupMembers(pid: number, signal: number): void {
  const task = livingStat(pid);
  if (task === undefined) return;
  for (const member of livingProcesses()) {
    const isExcluded = member.pid === task.group || member.pid === task.parent || member.pid === pid;
    if (member.group === task.group && !isExcluded) {
      withProcess(member, (pidfd) => pidfdSendSignal(pidfd, signal, 0));
    }
  }
}

/**
 * Kills a task and everything in its pid namespace, and lets init record the end. SIGKILL goes to the task's
 * main process. Init then kills the rest, reaps it and exits. So nothing of the run is left once init has
 * exited.
 * @returns false if the task has exited already; init is then about to exit
 */
export function killTask(task: ProcessIdentity): boolean {
  return killProcess(task);
}

/**
 * Sends SIGKILL to one process.
 * @returns false if it has exited already
 */
export function killProcess(target: ProcessIdentity): boolean {
  return withProcess(target, (pidfd) => pidfdSendSignal(pidfd, constants.signals.SIGKILL, 0));
}

/**
 * Kills a run by SIGKILL to its init. The kernel then kills all processes in the pid namespace. No status is
 * recorded, and init's files are closed shortly before the namespace's last process exits.
 * {@link killTask} is better if the task's main process is known.
 * @returns false if init has exited already
 */
export function killInit(init: ProcessIdentity): boolean {
  return killProcess(init);
}

function withProcess(target: ProcessIdentity, send: (pidfd: number) => void): boolean {
  const pidfd = openProcess(target);
  if (pidfd === undefined) return false;
  try {
    send(pidfd);
    return true;
  } catch (thrown) {
    if (hasErrno(thrown, "ESRCH")) return false;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `process ${target.pid} cannot be signalled`);
  } finally {
    closeSync(pidfd);
  }
}
