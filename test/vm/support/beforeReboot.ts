/** The agent's data about its tasks, which the first boot stores for the second. */
import { readFileSync, writeFileSync } from "node:fs";
import type { TaskHandle } from "../../../src/grpc/generated/nomad/driver.ts";
import { DriverService } from "../../../src/grpc/generated/nomad/driver.ts";
import { diskFolder } from "./prepareGuest.ts";

/** The plugin's state, on a disk that outlives the boot. */
export const rebootStateDir = `${diskFolder}/state`;

/** The state of the plugin whose tasks have limits on their disk, and the file with that disk. */
export const diskStateDir = `${diskFolder}/disk-state`;
export const diskImage = `${diskFolder}/ext4.img`;

/** The state of the plugin whose task writes to a volume of another user. */
export const volumesStateDir = `${diskFolder}/volumes-state`;

/** Ids that no user and no group of the machine has. */
export const volumeOwner = { uid: 20_001, gid: 20_002 };

export interface TaskBefore {
  readonly taskId: string;
  readonly handle: TaskHandle;
  /** Pids of the task's init and main process. */
  readonly pids: readonly number[];
}

/** A task's state when the machine was switched off. */
type WhenOff = "running" | "ended" | "limited" | "mapped";

const file = (name: string) => `${diskFolder}/${name}.handle`;
const { requestSerialize, requestDeserialize } = DriverService.recoverTask;

export function rememberTask(name: WhenOff, { handle, pids }: Omit<TaskBefore, "taskId">): void {
  writeFileSync(file(name), requestSerialize({ taskId: "", handle }));
  writeFileSync(`${file(name)}.pids`, JSON.stringify(pids));
}

export function recallTask(name: WhenOff): TaskBefore {
  const { handle } = requestDeserialize(readFileSync(file(name)));
  if (handle?.config === undefined) throw new Error(`the boot before has left no handle of the task ${name}`);
  const { id: taskId } = handle.config;
  return { taskId, handle, pids: JSON.parse(readFileSync(`${file(name)}.pids`, "utf8")) as number[] };
}
