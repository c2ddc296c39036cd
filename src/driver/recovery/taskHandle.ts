/** The driver's part of Nomad's task handle. It is enough to find a task again if the event log is lost. */

import { Packr } from "msgpackr";
import { z } from "zod";
import { DriverError } from "../../base/errors.ts";
import type { TaskId } from "../../base/taskId.ts";
import { destinationInHandle, handOnDestination } from "../../effects/logs/destination.ts";
import type { TaskSnapshot } from "../../machines/taskMachine.ts";
import { delegatedCgroups } from "../history/startEvents.ts";

const identity = z.object({ pid: z.number().int().positive(), startTicks: z.number().int().nonnegative() });

const handleSchema = z.object({
  /** Version of this layout. */
  version: z.literal(1),
  taskId: z.string().min(1),
  bootId: z.string(),
  init: identity,
  task: identity,
  uid: z.number().int().nonnegative(),
  gid: z.number().int().nonnegative(),
  cgroup: z.string(),
  runFolder: z.string(),
  startedAt: z.number(),
  /** OOM kills that the cgroup counted before the task started. */
  oomKills: z.number().int().nonnegative(),
  /** As in the event `sandboxed`. */
  runCgroup: z.string().nullable(),
  ...destinationInHandle,
  /** Set if the task has a subtree of cgroups of its own. */
  cgroupDelegate: z.literal(true).optional(),
});

export type HandleState = z.infer<typeof handleSchema>;

const packr = new Packr({ useRecords: false });

/** The handle of a task that has started. */
export function handleOf(taskId: TaskId, { context }: TaskSnapshot): HandleState {
  const { process, request, sandbox, startedAt } = context;
  if (!process || !request || !sandbox || startedAt === null) {
    throw new DriverError("HANDLE_INVALID", `task ${taskId} has not started, so it has no handle`);
  }
  return {
    version: 1,
    taskId,
    bootId: process.bootId,
    init: process.init,
    task: process.task,
    uid: sandbox.uid,
    gid: sandbox.gid,
    cgroup: request.resources.cgroup,
    runFolder: sandbox.runFolder,
    startedAt,
    oomKills: sandbox.oomKills,
    runCgroup: sandbox.runCgroup,
    ...handOnDestination(request),
    ...(delegatedCgroups(context) && { cgroupDelegate: true as const }),
  };
}

export function encodeHandle(state: HandleState): Uint8Array {
  return packr.pack(state);
}

/** @throws DriverError `HANDLE_INVALID` for bytes that no version of this driver has written */
export function decodeHandle(bytes: Uint8Array): HandleState {
  const parsed = handleSchema.safeParse(unpack(bytes));
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.join(".") || "all of it").join(", ");
  throw new DriverError(
    "HANDLE_INVALID",
    `the task's handle was not written by this driver (wrong: ${fields})`,
    {
      hint: "Nomad will destroy the task and start it anew",
    },
  );
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes);
  } catch {
    return undefined;
  }
}
