/**
 * The plan of a *witness*: a process that stands in for the init of a run that this driver has not started.
 * The witness holds the alive FIFO until the run's own init has exited. Then the witness asks the kernel for
 * the task's status, records the status, and exits. Pure.
 *
 * So the end of such a run is detected and recorded as for any other run, even if no plugin is running at the
 * time.
 */
import * as k from "../kernel/constants.ts";
import { pidfdInfo, pollDescriptor } from "../kernel/structs.ts";
import { parentSteps } from "../launch/buildPlan.ts";
import { oomScoreAdjSteps, openFolderStep, openStep, reportIdentitySteps } from "../plan/commonSteps.ts";
import { bytes, descriptors, flags, noSteps, place, type Step, type WholePlan } from "../plan/plan.ts";

export interface WitnessInput {
  /** First argument of the process: `ps` shows that it is a witness. */
  readonly name: string;
  /** The run's cgroup. The witness joins this cgroup, and so does not depend on the agent's cgroup. */
  readonly cgroup: string;
  readonly aliveFifo: string;
  /** Gets a `struct pidfd_info` once the run has ended. Stays empty if the kernel gives no answer. */
  readonly statusFile: string;
}

const inherited = {
  /** A file that holds the request to the kernel: a `mask`. */
  question: descriptors.stdin,
  /** The task's pidfd. */
  task: descriptors.report + 1,
  /** Pidfd of the init of the task's pid namespace. */
  init: descriptors.report + 2,
};

export function buildWitnessPlan(input: WitnessInput): WholePlan<keyof typeof inherited> {
  return {
    initName: input.name,
    inherited,
    outlivesPlugin: true,
    steps: { ...noSteps, parent: parentSteps(input.cgroup, {}), init: witnessSteps(input) },
  };
}

function witnessSteps({ statusFile, aliveFifo }: WitnessInput): Step[] {
  const { PR_SET_NAME, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_CLOEXEC, PIDFD_GET_INFO, POLLIN } = k;
  const initExit = bytes(pollDescriptor(inherited.init, POLLIN), `{fd: ${inherited.init}, events: POLLIN}`);
  return [
    { name: "name the witness", call: "prctl", args: [flags({ PR_SET_NAME }), "exec2-witness"] },
    { name: "start a session for the witness", call: "setsid", args: [] },
    { name: "close the cgroup's folder", call: "close", args: [descriptors.free] },
    openFolderStep("open the plugin's /proc", "/proc"),
    openStep("open the status file", statusFile, flags({ O_WRONLY, O_CREAT, O_TRUNC, O_CLOEXEC }), 0o600),
    // Opened for reading too, so that the call doesn't block until there is a reader.
    openStep("open the alive FIFO", aliveFifo, flags({ O_RDWR, O_CLOEXEC })),
    ...oomScoreAdjSteps("protect the witness from OOM", -1000, { kind: "tolerateErrors" }),
    // The report comes after the steps whose failure the plugin must learn of. Its buffer later gets the
    // kernel's answer.
    ...reportIdentitySteps("report the witness"),
    { name: "close the report pipe", call: "close", args: [descriptors.report] },
    {
      name: "read the request",
      call: "read",
      args: [inherited.question, place("identity"), pidfdInfo.maskBytes],
    },
    { name: "wait until init exits", call: "ppoll", args: [initExit, 1, 0, 0, 0] },
    // Before kernel 6.13 this call fails, and the failure ends the witness.
    {
      name: "request the task's exit status",
      call: "ioctl",
      args: [inherited.task, flags({ PIDFD_GET_INFO }), place("identity")],
    },
    {
      name: "record the exit status",
      call: "write",
      args: [descriptors.status, place("identity"), pidfdInfo.bytes],
    },
    { name: "exit", call: "exit_group", args: [0] },
  ];
}
