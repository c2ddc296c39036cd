/**
 * The plan of the spawner: a small process that forks the first process of each launch. Pure.
 *
 * A caller that spawns a program waits until the kernel has executed it. That takes a millisecond or more on
 * a busy host, and would block the plugin's event loop. Passing the descriptors of a launch to the spawner
 * takes some 20 µs. The spawner forks a child. In its own memory, the child overwrites the spawner's table of
 * steps with the launch's table, and continues there without an execve(2).
 */
import * as k from "../../kernel/constants.ts";
import { cloneArgs } from "../../kernel/structs.ts";
import { childActionStep, closeRangeStep, readRestStep } from "../../plan/commonSteps.ts";
import {
  bytes,
  descriptors,
  type EarlyPlan,
  flags,
  type LatePlan,
  noSteps,
  place,
  type Spawning,
  type Step,
} from "../../plan/plan.ts";
import {
  EARLY_ADDRESS,
  EARLY_BYTES,
  KEPT_BYTES,
  NAME_BYTES,
  NAME_OFFSET,
  TABLE_ADDRESS,
} from "../../plan/table.ts";

/**
 * The socket to the plugin. Once the spawner has read its own plan, the socket takes over the number of the
 * plan's descriptor.
 */
const SOCKET = descriptors.plan;

/**
 * The descriptors in a message, in this order. The kernel gives them the lowest free numbers. Most of them
 * thereby get the number that they have in a launch. The others get it later, in the same order, so none of them
 * may be in the way of an earlier one.
 */
export const handedOver = [
  ...(["report", "ruleset", "releasePipe", "plan", "stdout", "stderr"] as const),
  ...(["logRelease", "logFolder", "stdoutRead", "stderrRead", "mounts"] as const),
] as const;

const FIRST = SOCKET + 1;

/**
 * The arguments of a process are in its memory. The spawner's only argument is as long as the longest name of
 * an init. So a child can overwrite this argument with its own name.
 */
const spawnerName = "exec2-spawner".padEnd(NAME_BYTES - 1);

/**
 * The plan's early part, which waits for a byte on the socket. The plugin sends this byte once it has written
 * the late part.
 */
export const spawnerBegin: Pick<EarlyPlan, "steps"> & Spawning<"socket"> = {
  initName: spawnerName,
  inherited: { socket: descriptors.ruleset },
  outlivesPlugin: false,
  steps: { ...noSteps, parent: beginSteps(), supervise: endSteps() },
};

/** The plan's late part. @param nameAddress address of the spawner's name */
export function spawnerRest(nameAddress: number): LatePlan {
  return { steps: { ...noSteps, rest: loopSteps(), task: childSteps(nameAddress) } };
}

function beginSteps(): Step[] {
  const { PR_SET_NAME, SA_NOCLDWAIT } = k;
  const name = "keep only the socket";
  return [
    { name: "name the spawner", call: "prctl", args: [flags({ PR_SET_NAME }), "exec2-spawner"] },
    // The first process of a launch exits at once, and nobody needs its status.
    childActionStep("let the kernel reap children", SA_NOCLDWAIT),
    {
      name: "wait for the rest of the plan",
      call: "read",
      args: [descriptors.ruleset, place("waitStatus"), 1],
      flow: { kind: "endOfFile", ended: "supervise", otherwise: "next" },
    },
    readRestStep(),
    { name, call: "dup3", args: [descriptors.ruleset, SOCKET, 0] },
    { ...closeRangeStep(name, FIRST), flow: { kind: "goTo", phase: "rest" } },
  ];
}

function loopSteps(): Step[] {
  const { SIGCHLD } = k;
  const attributes = cloneArgs({ exitSignal: SIGCHLD });
  return [
    {
      name: "take a launch",
      call: "recvmsg",
      args: [SOCKET, { kind: "message", descriptors: handedOver.length }, 0],
      flow: { kind: "endOfFile", ended: "supervise", otherwise: "next" },
    },
    {
      name: "fork its first process",
      call: "clone3",
      args: [bytes(attributes, "{exit_signal: SIGCHLD}"), attributes.length],
      flow: { kind: "fork", child: "task", parent: "next" },
    },
    { ...closeRangeStep("close the launch's descriptors", FIRST), flow: { kind: "goTo", phase: "rest" } },
  ];
}

function childSteps(nameAddress: number): Step[] {
  const read = (address: number, size: number): Step => ({
    name: "read the launch's plan",
    call: "read",
    args: [descriptors.plan, address, size],
  });
  return [
    childActionStep("wait for children", 0),
    ...handedOver.flatMap((name, index): Step[] =>
      FIRST + index === descriptors[name]
        ? []
        : [{ name: "number descriptors", call: "dup3", args: [FIRST + index, descriptors[name], 0] }],
    ),
    {
      name: "take the init's name",
      call: "pread64",
      args: [descriptors.plan, nameAddress, NAME_BYTES, NAME_OFFSET],
      flow: { kind: "tolerateErrors" },
    },
    read(TABLE_ADDRESS, KEPT_BYTES),
    { ...read(EARLY_ADDRESS, EARLY_BYTES), flow: { kind: "goTo", phase: "parent" } },
  ];
}

/** The steps after the plugin has ended. */
function endSteps(): Step[] {
  return [{ name: "end with the plugin", call: "exit_group", args: [0] }];
}
