/**
 * The layouts that a run's init and a plugin share, even if they come from different versions of the driver:
 * the run's status file, records of processes, and the numbers of init's descriptors. Pure.
 */
import { type ProcessIdentity, parseStat } from "../processes/processStat.ts";

/**
 * A record with which a process reports its identity: zeros, then the beginning of the process's
 * `/proc/self/stat`. The zeros distinguish it from the report of a failed step.
 */
export const identityRecord = { tagBytes: 8, bytes: 256 } as const;

/** @returns undefined if the bytes do not begin with a record of a process */
export function parseIdentity(record: Uint8Array): ProcessIdentity | undefined {
  const stat = parseStat(decoder.decode(record.subarray(identityRecord.tagBytes, identityRecord.bytes)));
  return stat && { pid: stat.pid, startTicks: stat.startTicks };
}

const decoder = new TextDecoder();

/**
 * Layout of the status file, whose records have to outlive the run and the plugin. First comes the task's raw
 * wait status, which is `noStatus` until the task has exited. Then comes the task's {@link identityRecord},
 * which the task's process writes before it executes its command.
 */
export const statusFileLayout = {
  /** Offset of the wait status. */
  status: 0,
  /** Offset of the identity record. */
  task: 8,
  statusBytes: 4,
  /** No process has this wait status: wait(2). */
  noStatus: new Uint8Array(4).fill(0xff),
} as const;

/** Init's descriptor of the alive FIFO until init has forked the task. */
export const OPENED_ALIVE = 9;

/**
 * Init's descriptors once init has forked the task. They have the lowest numbers, so that init can close all
 * others at once. The ruleset stays open for processes that join the task later and restrict themselves with
 * it. `killSwitch` and `cgroup` are only for runs without a pid namespace: init uses them to end the run.
 */
export const kept = { status: 0, alive: 1, ruleset: 2, killSwitch: 3, cgroup: 4 } as const;
