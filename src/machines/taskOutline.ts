/** The fields that every list of tasks shows, from a task's id and its folded events. Pure. */
import { describeTaskEnd } from "../taskEnd.ts";
import { allocationOf, taskName } from "../taskId.ts";
import type { MachineState } from "./machineVersion.ts";
import type { TaskContext } from "./taskContext.ts";

/** Unknown values are null. */
export interface TaskOutline {
  /** `<allocation id>/<task name>/<8 hex digits>`. */
  readonly id: string;
  readonly allocation: string;
  readonly task: string;
  readonly group: string | null;
  readonly job: string | null;
  readonly namespace: string | null;
  /** The machine's state, or a word that replaces it. */
  readonly state: string;
}

export function outlineOf(id: string, { value: state, context: { request } }: MachineState): TaskOutline {
  const { groupName: group = null, jobId: job = null, namespace = null } = request ?? {};
  return { id, allocation: allocationOf(id), task: taskName(id), group, job, namespace, state };
}

/** How it ended, or why it never started; empty while it runs. */
export function endText({ exit, failure, lostReason }: TaskContext): string {
  return exit === null ? (failure?.code ?? lostReason ?? "") : describeTaskEnd(exit);
}
