/** A running task that an operator reaches from outside its sandbox: each act is recorded before it is done. */
import { DriverError } from "../../base/errors.ts";
import { readKernelFile } from "../../effects/kernel/kernelFiles.ts";
import type { ProcessIdentity } from "../../effects/processes/processIdentity.ts";
import { entryOfUid } from "../../effects/users/passwd.ts";
import type { OperatorAct } from "../../machines/events/operator.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { connectTo, findRunningTask, type RunningTask } from "./runningTask.ts";

export interface OperatedTask extends RunningTask {
  readonly init: ProcessIdentity;
  readonly sandbox: NonNullable<TaskContext["sandbox"]>;
  /** The cgroup with the processes of its run. */
  readonly cgroup: string;
}

/** @throws DriverError as `findRunningTask`, and `TASK_NOT_RUNNING` */
export async function findOperatedTask(stateDir: string, name: string, why: string): Promise<OperatedTask> {
  const found = await findRunningTask(stateDir, name, why);
  const { sandbox, process: run, request } = found.context;
  if (sandbox !== null && run !== null && request !== null)
    return { ...found, sandbox, init: run.init, cgroup: sandbox.runCgroup ?? request.resources.cgroup };
  throw new DriverError("TASK_NOT_RUNNING", "the task is not running");
}

/**
 * Lets the task's plugin record what is about to be done. Nothing may be done if this fails.
 * @throws DriverError `PLUGIN_FAILED`, `TASK_NOT_RUNNING`, or whatever the plugin answers
 */
export async function recordAct(
  { id, stateFolder }: OperatedTask,
  act: OperatorAct,
  what: string,
): Promise<void> {
  const { plugin, close } = await connectTo(stateFolder);
  try {
    await plugin.operator.record({ taskId: id, act, what, by: operatorName() });
  } catch (thrown) {
    const { errorOfCall } = await import("../../grpc/status.ts");
    throw errorOfCall(thrown);
  } finally {
    close();
  }
}

/** The kernel's loginuid of a process that nobody has logged in for. */
const noLogin = 0xffffffff;

/**
 * The login behind this process. The kernel keeps it over sudo (`loginuid`); where it does not, sudo tells the name.
 * Root is trusted here: the record is for people, not a proof.
 */
export function operatorName(): string {
  const login = Number(readKernelFile("/proc/self/loginuid") ?? noLogin);
  const name = (uid: number) => entryOfUid(readKernelFile("/etc/passwd") ?? "", uid)?.name ?? `uid ${uid}`;
  if (login !== noLogin) return name(login);
  return process.env.SUDO_USER || name(process.getuid?.() ?? 0);
}
