/**
 * The relay: a process beside a run's init that moves the task's output from its pipe to journald, by splice(2).
 * Standard output and error are one pipe, so that journald has their lines in order. The relay does not read
 * them: journald makes entries of its stream's lines.
 *
 * - It depends on nobody, as the logger does (logger.ts). If it is killed, or journald ends the connection, its
 *   FIFO ends, and the plugin connects again and starts another relay. Init keeps the pipe open meanwhile: the
 *   task waits at worst, gets no SIGPIPE, and can open `/dev/stdout` again, which it could not if that were
 *   journald's socket.
 * - It is in the task's cgroup, because journald takes the unit of an entry, and with it the unit's rate limit,
 *   from the cgroup of the process that wrote it. In the plugin's cgroup, one task could use up the limit of all
 *   others, and of the agent. It touches no memory while it works, and is protected from the OOM killer.
 * - While journald takes nothing, the relay waits, and so does the task once its pipe is full. The record says
 *   so after {@link STALL_SECONDS}.
 * - It keeps no capability, and parses nothing.
 *
 * Pure.
 */
import * as k from "../kernel/constants.ts";
import { cloneArgs, pollDescriptor, timespec } from "../kernel/structs.ts";
import { closeRangeStep, openFolderStep } from "../plan/commonSteps.ts";
import {
  bytes,
  descriptors,
  flags,
  identityRecord,
  noSteps,
  type Phase,
  parseIdentity,
  type Step,
  shared,
  type WholePlan,
} from "../plan/plan.ts";
import type { ProcessIdentity } from "../processes/processStat.ts";
import {
  becomeIndependent,
  type Collector,
  namedState,
  nameSteps,
  openLoggerFifoStep,
  openRecordStep,
  own,
  protectSteps,
  recordIdentity,
  takeStep,
  waitForRelease,
} from "./collector.ts";

/** The relay of a run. */
export type Relay = Collector;

/** Seconds that journald may take nothing before the record says that the output waits. */
const STALL_SECONDS = 10;

/** What a relay last recorded: that it moves output, that journald takes none, or that all is moved. */
export type RelayState = "relaying" | "stalled" | "drained";

const states: readonly RelayState[] = ["relaying", "stalled", "drained"];

/** The content of a relay's record. */
export interface RelayRecord {
  /** Undefined if it died before it could write its identity. */
  readonly relay: ProcessIdentity | undefined;
  readonly state: RelayState;
}

/** @returns undefined if no relay has written its state yet */
export function parseRelayRecord(content: Uint8Array): RelayRecord | undefined {
  const state = states[(content[STATE_AT] ?? 0) - 1];
  return state && { relay: parseIdentity(content), state };
}

const STATE_AT = identityRecord.bytes;

/** The state of the relay's plan: its name. */
export function relayState({ name }: Relay): Uint8Array {
  return namedState(name);
}

/** The relay's pipe, its connection to journald, and until it is forked the task's cgroup. */
const [PIPE, JOURNAL, CGROUP] = [own.stdout, own.stderr, own.folder];

const { F_SETFL, O_NONBLOCK, CLONE_INTO_CGROUP } = k;

type RelayPhases = Readonly<Record<"logger" | "relay" | "relaying" | "stalled" | "drained", readonly Step[]>>;

/**
 * The phases with which the first process of a launch forks the relay.
 * @param fifo its descriptor of the FIFO
 * @param cgroup its descriptor of the task's cgroup; undefined if the task is in this process's
 */
export function relayPhases(relay: Relay, fifo: number, cgroup: number | undefined): RelayPhases {
  return {
    logger: [
      ...takeStreams,
      // Without a cgroup, the number is taken, too, so that later descriptors have known numbers.
      { name: takeStep, call: "dup3", args: [cgroup ?? PIPE, CGROUP, 0] },
      { name: takeStep, call: "dup3", args: [descriptors.logRelease, own.release, 0] },
      { name: takeStep, call: "dup3", args: [fifo, own.alive, 0] },
      closeRangeStep(takeStep, own.record),
      openRecordStep(relay.recordFile),
      ...waitForRelease,
      forkStep("relay", cgroup === undefined ? undefined : CGROUP),
      exitStep,
    ],
    relay: [
      ...becomeIndependent,
      ...nameSteps(relay.name),
      ...recordIdentity,
      ...protectSteps(),
      { name: takeStep, call: "close", args: [CGROUP] },
      ...beginRelaying,
    ],
    ...relayingPhases,
  };
}

/**
 * A plan that starts a relay for a run whose relay has ended. It fails in the step `lockStep` of collector.ts if
 * another relay is at work.
 * @param cgroup path of the task's cgroup; undefined if the task is in this process's
 */
export function relayPlan(relay: Relay, cgroup: string | undefined): WholePlan<"stdoutRead" | "logFolder"> {
  const { stdoutRead, logFolder } = descriptors;
  return {
    initName: relay.name,
    inherited: { stdoutRead, logFolder },
    outlivesPlugin: true,
    loggerState: relayState(relay),
    steps: {
      ...noSteps,
      parent: [
        ...takeStreams,
        ...(cgroup === undefined ? [] : [openFolderStep("open the task's cgroup", cgroup)]),
        forkStep("relay", cgroup === undefined ? undefined : lowestFree),
        exitStep,
      ],
      relay: [
        closeRangeStep(takeStep, own.record),
        ...becomeIndependent,
        openRecordStep(relay.recordFile),
        ...recordIdentity,
        ...protectSteps(),
        openLoggerFifoStep(relay),
        // This also closes the report pipe, and so tells the plugin that no step has failed.
        { name: "keep the logger's FIFO", call: "dup3", args: [own.scratch, own.alive, 0] },
        { name: "keep the logger's FIFO", call: "close", args: [own.scratch] },
        ...beginRelaying,
      ],
      ...relayingPhases,
    },
  };
}

/** The lowest descriptor that nothing has in such a plan. */
const lowestFree = descriptors.report + 1;

const takeStreams = shared([
  { name: takeStep, call: "dup3", args: [descriptors.stdoutRead, PIPE, 0] },
  { name: takeStep, call: "dup3", args: [descriptors.logFolder, JOURNAL, 0] },
  { name: "read without blocking", call: "fcntl", args: [PIPE, flags({ F_SETFL }), flags({ O_NONBLOCK })] },
]);

function forkStep(child: Phase, cgroup: number | undefined): Step {
  const attributes = cloneArgs({
    exitSignal: k.SIGCHLD,
    ...(cgroup !== undefined && { flags: CLONE_INTO_CGROUP, cgroup }),
  });
  const into = cgroup === undefined ? "" : `flags: CLONE_INTO_CGROUP, cgroup: ${cgroup}, `;
  return {
    name: "fork the relay",
    call: "clone3",
    args: [bytes(attributes, `{${into}exit_signal: SIGCHLD}`), attributes.length],
    flow: { kind: "fork", child, parent: "next" },
  };
}

const exitStep: Step = { name: "exit", call: "exit_group", args: [0] };

const record = (state: RelayState): Step => ({
  name: `record: ${state}`,
  call: "pwrite64",
  args: [own.record, bytes(Uint8Array.of(states.indexOf(state) + 1), state), 1, STATE_AT],
});

/** Descriptor 3 is the release pipe of a launch, or the plan of a later relay. */
const beginRelaying = shared([
  // Otherwise ppoll(2) would lower its timeout each time.
  {
    name: "keep timeouts as they are",
    call: "personality",
    args: [flags({ STICKY_TIMEOUTS: k.STICKY_TIMEOUTS })],
  },
  { ...record("relaying"), flow: { kind: "tolerateErrors" } },
  { name: "relay the output", call: "close", args: [own.release], flow: { kind: "goTo", phase: "relaying" } },
]);

const MAX_MOVED = 0x10000;
const SIGNALS_BYTES = 8;

/**
 * Waits for one of some events, and for the end of each connection.
 * @param polled descriptors with their events
 * @param time undefined: without a limit
 */
function waitStep(
  name: string,
  polled: readonly (readonly [descriptor: number, event: keyof typeof pollEvents])[],
  time?: { readonly seconds: number; readonly nanoseconds?: number },
): Step {
  const structs = polled.map(([descriptor, event]) => pollDescriptor(descriptor, pollEvents[event]));
  const meaning = polled.map(([descriptor, event]) => `{fd: ${descriptor}, events: ${event}}`).join(", ");
  const { seconds = 0, nanoseconds = 0 } = time ?? {};
  const limit = time
    ? bytes(timespec(seconds, nanoseconds), `{tv_sec: ${seconds}, tv_nsec: ${nanoseconds}}`)
    : 0;
  const all = bytes(Buffer.concat(structs), `[${meaning}]`);
  return { name, call: "ppoll", args: [all, polled.length, limit, 0, SIGNALS_BYTES] };
}

const pollEvents = { POLLIN: k.POLLIN, POLLOUT: k.POLLOUT, "0": 0 } as const;
/** So that a move that fails again and again does not keep a processor busy. */
const soon = { seconds: 0, nanoseconds: 1_000_000 } as const;

const relayingPhases = {
  relaying: shared([
    {
      ...waitStep("wait for output", [
        [PIPE, "POLLIN"],
        [JOURNAL, "0"],
      ]),
      flow: { kind: "tolerateErrors" },
    },
    {
      ...waitStep("wait for journald", [[JOURNAL, "POLLOUT"]], { seconds: STALL_SECONDS }),
      flow: { kind: "branch", zero: "stalled", otherwise: "next" },
    },
    {
      name: "move output",
      call: "splice",
      args: [
        ...[PIPE, 0, JOURNAL, 0, MAX_MOVED],
        flags({ SPLICE_F_MOVE: k.SPLICE_F_MOVE, SPLICE_F_NONBLOCK: k.SPLICE_F_NONBLOCK }),
      ],
      flow: { kind: "branch", zero: "drained", otherwise: "relaying" },
    },
    // The move has failed. Without room or output, it is tried again.
    {
      ...waitStep("look whether journald has ended the connection", [[JOURNAL, "0"]], soon),
      flow: { kind: "branch", zero: "relaying", otherwise: "next" },
    },
    exitStep,
  ]),
  stalled: shared([
    { ...record("stalled"), flow: { kind: "tolerateErrors" } },
    { ...waitStep("wait for journald", [[JOURNAL, "POLLOUT"]]), flow: { kind: "tolerateErrors" } },
    { ...record("relaying"), flow: { kind: "goTo", phase: "relaying" } },
  ]),
  drained: shared([
    // A page that was taken out of a file and into the pipe, and then truncated, looks like the end, too.
    {
      ...waitStep("look whether the output has ended", [[PIPE, "0"]], soon),
      flow: { kind: "branch", zero: "relaying", otherwise: "next" },
    },
    { ...record("drained"), flow: { kind: "tolerateErrors" } },
    exitStep,
  ]),
} as const;
