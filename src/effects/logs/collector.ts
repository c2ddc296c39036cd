/**
 * Steps that all processes beside a run's init have in common that take the task's output: the logger (logger.ts)
 * and the relay to journald (relay.ts). Each step's name says logger. Pure.
 */
import { blockSignalsStep } from "../cgroup/runCgroupSteps.ts";
import type { CapabilityName } from "../kernel/capabilities.ts";
import * as k from "../kernel/constants.ts";
import { PR_SET_MM, PR_SET_MM_ARG_END, PR_SET_MM_ARG_START } from "../kernel/kernelConstants.ts";
import {
  childActionStep,
  dropCapabilitiesStep,
  leaveKeyringStep,
  notDumpableStep,
  openStep,
} from "../plan/commonSteps.ts";
import { bytes, flags, identityRecord, place, type Step, shared } from "../plan/plan.ts";
import { LOGGER_STATE_ADDRESS } from "../plan/table.ts";

/** What such a process of a run gets. */
export interface Collector {
  /** As process lists show it, such as `exec2-log: 6f2d4a9e/web`. */
  readonly name: string;
  /** The file in which it records what it does. Only root may have access to its folder. */
  readonly recordFile: string;
  /** A FIFO beside the record. It holds it open for writing until it ends. */
  readonly aliveFifo: string;
}

/**
 * The logger's own descriptors. Its pipes have the numbers of the streams, 0 and 1. The FIFO takes the number
 * of the report pipe: a launch does not wait for its logger, and a step that fails is noticed by the end of the
 * FIFO. `scratch` is the lowest number that is free then.
 */
export const own = { stdout: 0, stderr: 1, folder: 2, release: 3, alive: 4, record: 5, scratch: 6 } as const;

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_CLOEXEC } = k;

/**
 * The step of the launch's first process that opens the logger's FIFO. It comes before init is forked: until
 * the FIFO is open, it looks like that of a logger that has ended.
 */
export function openLoggerFifoStep({ aliveFifo }: Pick<Collector, "aliveFifo">): Step {
  return openStep("open the logger's FIFO", aliveFifo, flags({ O_RDWR, O_CLOEXEC }));
}

/** Name of the step that fails with `EAGAIN` if another logger is at work. */
export const lockStep = "lock the log's record";

export const takeStep = "keep only the logger's descriptors";

/** Offset of the name in the state that a plan has for such a process (`loggerState` of plan.ts). */
const OWN_NAME = 848;
const OWN_NAME_BYTES = 128;

const encoder = new TextEncoder();

/** Zeros, and the name of the process. */
export function namedState(name: string): Uint8Array<ArrayBuffer> {
  const state = new Uint8Array(OWN_NAME + OWN_NAME_BYTES);
  state.set(ownNameBytes(name), OWN_NAME);
  return state;
}

function ownNameBytes(name: string): Uint8Array {
  return encoder.encode(name).subarray(0, OWN_NAME_BYTES - 1);
}

/**
 * Process lists shall not show init's name. The calls fail in a container without CAP_SYS_RESOURCE.
 */
export function nameSteps(name: string): Step[] {
  const begin = LOGGER_STATE_ADDRESS + OWN_NAME;
  const end = begin + ownNameBytes(name).length + 1;
  const set = (what: Readonly<Record<string, number>>, address: number): Step => ({
    name: "name the logger",
    call: "prctl",
    args: [flags({ PR_SET_MM }), flags(what), address, 0, 0],
    flow: { kind: "tolerateErrors" },
  });
  return [set({ PR_SET_MM_ARG_START }, begin), set({ PR_SET_MM_ARG_END }, end)];
}

export const becomeIndependent = shared([
  { name: "name the logger", call: "prctl", args: [flags({ PR_SET_NAME: k.PR_SET_NAME }), "exec2-log"] },
  notDumpableStep(),
  { name: "start a session for the logger", call: "setsid", args: [] },
  leaveKeyringStep(),
  // The logger is init's parent.
  childActionStep("let the kernel reap init", k.SA_NOCLDWAIT),
  blockSignalsStep(),
  { name: "create files with their whole mode", call: "umask", args: [0] },
  { name: "leave the working directory", call: "chdir", args: ["/"] },
]);

export function openRecordStep(path: string): Step {
  return openStep("open the log's record", path, flags({ O_RDWR, O_CREAT, O_CLOEXEC }), 0o600);
}

const { tagBytes, bytes: identityBytes } = identityRecord;

/** The record's block is allocated now, because the disk may be full later. */
export const recordIdentity = shared([
  {
    name: lockStep,
    call: "flock",
    args: [own.record, flags({ LOCK_EX: k.LOCK_EX, LOCK_NB: k.LOCK_NB })],
  },
  openStep("record the logger", "/proc/self/stat", flags({ O_RDONLY, O_CLOEXEC })),
  {
    name: "record the logger",
    call: "read",
    args: [own.scratch, place("identity", tagBytes), identityBytes - tagBytes],
  },
  { name: "record the logger", call: "close", args: [own.scratch] },
  { name: "record the logger", call: "pwrite64", args: [own.record, place("identity"), identityBytes, 0] },
]);

const score = new TextEncoder().encode("-1000");
const protectStep = "protect the logger from OOM";

/** @param capabilities names of those that it needs for its work */
export function protectSteps(...capabilities: readonly CapabilityName[]): Step[] {
  return [
    openStep(protectStep, "/proc/self/oom_score_adj", flags({ O_WRONLY, O_CLOEXEC })),
    {
      name: protectStep,
      call: "write",
      args: [own.scratch, bytes(score, '"-1000"'), score.length],
      flow: { kind: "tolerateErrors" },
    },
    { name: protectStep, call: "close", args: [own.scratch] },
    dropCapabilitiesStep(capabilities),
    {
      name: "set no_new_privs",
      call: "prctl",
      args: [flags({ PR_SET_NO_NEW_PRIVS: k.PR_SET_NO_NEW_PRIVS }), 1, 0, 0, 0],
    },
  ];
}

export const waitForRelease = shared([
  {
    name: "wait for the go-ahead",
    call: "read",
    args: [own.release, place("waitStatus"), 1],
    flow: { kind: "endOfFile", ended: "abandoned", otherwise: "next" },
  },
]);
