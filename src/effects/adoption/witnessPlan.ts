/**
 * The plan of a *witness*: a process that stands in for the init of a run that
 * this driver has not started. It holds the alive FIFO until the run's own init
 * has ended, then asks the kernel how the task did, records that, and ends. Pure.
 *
 * So the end of such a run is noticed, and known, the way it is for any other,
 * also where no plugin is there to see it.
 */
import * as k from "../kernel/constants.ts";
import { pidfdInfo, pollDescriptor } from "../kernel/structs.ts";
import { parentSteps } from "../launch/buildPlan.ts";
import { bytes, descriptors, flags, noSteps, place, type Step, type WholePlan } from "../launch/plan.ts";
import {
  oomScoreAdjSteps,
  openFolderStep,
  openStep,
  reportIdentitySteps,
} from "../launch/steps/fileSteps.ts";

export interface WitnessInput {
  /** First argument, so that `ps` shows what it is. */
  readonly name: string;
  /** The run's: the witness goes with it, whatever happens to the agent's. */
  readonly cgroup: string;
  readonly aliveFifo: string;
  /** Gets a `struct pidfd_info` once the run is over; stays empty where the kernel tells nothing. */
  readonly statusFile: string;
}

const finds = {
  /** A file that holds what the kernel is to be asked for: a `mask`. */
  question: descriptors.stdin,
  /** The task's pidfd. */
  task: descriptors.report + 1,
  /** That of the init of the task's pid namespace. */
  init: descriptors.report + 2,
};

export function buildWitnessPlan(input: WitnessInput): WholePlan<keyof typeof finds> {
  return {
    initName: input.name,
    finds,
    outlivesPlugin: true,
    steps: { ...noSteps, parent: parentSteps(input.cgroup, {}), init: witnessSteps(input) },
  };
}

function witnessSteps({ statusFile, aliveFifo }: WitnessInput): Step[] {
  const { PR_SET_NAME, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_CLOEXEC, PIDFD_GET_INFO, POLLIN } = k;
  const initsEnd = bytes(pollDescriptor(finds.init, POLLIN), `{fd: ${finds.init}, events: POLLIN}`);
  return [
    { name: "name the witness", call: "prctl", args: [flags({ PR_SET_NAME }), "exec2-witness"] },
    { name: "give the witness a session", call: "setsid", args: [] },
    { name: "close the cgroup's folder", call: "close", args: [descriptors.free] },
    openFolderStep("open the plugin's /proc", "/proc"),
    openStep("open the status file", statusFile, flags({ O_WRONLY, O_CREAT, O_TRUNC, O_CLOEXEC }), 0o600),
    // For reading too, so that it doesn't wait for a reader.
    openStep("open the alive FIFO", aliveFifo, flags({ O_RDWR, O_CLOEXEC })),
    ...oomScoreAdjSteps("protect the witness from OOM", -1000, { kind: "tolerateErrors" }),
    // Into the place that gets the answer. Before the witness reports itself: from there on, nothing should fail.
    ...reportIdentitySteps("report the witness"),
    { name: "tell no more", call: "close", args: [descriptors.report] },
    {
      name: "prepare the question",
      call: "read",
      args: [finds.question, place("identity"), pidfdInfo.maskBytes],
    },
    { name: "wait for init's end", call: "ppoll", args: [initsEnd, 1, 0, 0, 0] },
    // Before kernel 6.13 this fails, which ends the witness.
    {
      name: "ask how the task ended",
      call: "ioctl",
      args: [finds.task, flags({ PIDFD_GET_INFO }), place("identity")],
    },
    { name: "record it", call: "write", args: [descriptors.status, place("identity"), pidfdInfo.bytes] },
    { name: "end", call: "exit_group", args: [0] },
  ];
}
