/** Sending signals: to the right process or to none. */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { DriverError } from "../../errors.ts";
import { PIDFD_SIGNAL_PROCESS_GROUP } from "../kernel/constants.ts";
import { pidfdOpen, pidfdSendSignal } from "../kernel/libc.ts";
import { isSameProcess, livingProcesses, livingStat, type ProcessIdentity } from "./processIdentity.ts";

/**
 * Sends a signal to the task's own process group, that is to the task and to
 * the children that have not made a group of their own.
 * @param task the task's main process; it leads its group, unless another driver has started it
 * @returns false where the task is gone already
 * @throws DriverError `KERNEL_CALL_FAILED` where the kernel refuses
 */
export function signalGroup(task: ProcessIdentity, signal: number): boolean {
  return withProcess(task, (pidfd) => {
    try {
      signalOwnGroup(task.pid, pidfd, signal);
    } catch (thrown) {
      if (!failedWith(thrown, "ESRCH")) throw thrown;
      pidfdSendSignal(pidfd, signal, 0);
      signalFellows(task.pid, signal);
    }
  });
}

/** @throws where the process leads no group, with ESRCH */
function signalOwnGroup(pid: number, pidfd: number, signal: number): void {
  try {
    pidfdSendSignal(pidfd, signal, PIDFD_SIGNAL_PROCESS_GROUP);
  } catch (thrown) {
    if (!failedWith(thrown, "EINVAL")) throw thrown;
    // Before kernel 6.9. The pidfd doesn't keep the number from being reused, but we have just seen who has it.
    process.kill(-pid, signal);
  }
}

/**
 * The Go driver's tasks are in the group of the process that supervises them:
 * it and its child would die of most signals, and the task with them. So what is
 * signalled is the rest of the group.
 */
function signalFellows(pid: number, signal: number): void {
  const task = livingStat(pid);
  if (task === undefined) return;
  for (const fellow of livingProcesses()) {
    const supervises = fellow.pid === task.group || fellow.pid === task.parent || fellow.pid === pid;
    if (fellow.group === task.group && !supervises) {
      withProcess(fellow, (pidfd) => pidfdSendSignal(pidfd, signal, 0));
    }
  }
}

/**
 * Ends a task and everything in its pid namespace, and lets init record it:
 * SIGKILL to the task's main process, upon which init kills the rest, reaps it and ends.
 * So nothing of the run is left when init is gone.
 * @returns false where the task is gone already, and init is about to be
 */
export function killTask(task: ProcessIdentity): boolean {
  return killProcess(task);
}

/**
 * SIGKILL to one process.
 * @returns false where it is gone already
 */
export function killProcess(target: ProcessIdentity): boolean {
  return withProcess(target, (pidfd) => pidfdSendSignal(pidfd, constants.signals.SIGKILL, 0));
}

/**
 * Ends a run by SIGKILL to its init. The kernel then kills the pid namespace,
 * no status is recorded, and init's files are closed shortly before the last process is gone.
 * {@link killTask} is the better way where the task's main process is known.
 * @returns false where init is gone already
 */
export function killInit(init: ProcessIdentity): boolean {
  return killProcess(init);
}

/** The pidfd comes first and the identity after it: what the pidfd stands for can't change any more. */
function withProcess(target: ProcessIdentity, send: (pidfd: number) => void): boolean {
  let pidfd: number | undefined;
  try {
    pidfd = pidfdOpen(target.pid);
    if (!isSameProcess(target)) return false;
    send(pidfd);
    return true;
  } catch (thrown) {
    if (failedWith(thrown, "ESRCH")) return false;
    throw DriverError.from(thrown, "KERNEL_CALL_FAILED", `process ${target.pid} cannot be signalled`);
  } finally {
    if (pidfd !== undefined) closeSync(pidfd);
  }
}

function failedWith(thrown: unknown, errno: string): boolean {
  return thrown instanceof DriverError
    ? thrown.failed?.errno === errno
    : (thrown as NodeJS.ErrnoException).code === errno;
}
