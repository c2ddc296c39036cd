/** Converts a task's state to Nomad's answers. Pure. */

import type { TaskSnapshot } from "../../machines/fold.ts";
import { isAlive } from "../../machines/taskMachine.ts";
import { unknownEnd } from "../../taskEnd.ts";
import type { TaskId } from "../../taskId.ts";
import type { ExitResult, TaskStatus } from "../driverPort.ts";

/** The result of an ended task. */
export function exitResultOf({ context }: TaskSnapshot): ExitResult {
  const { exit, lostReason, failure } = context;
  if (exit === null) {
    const error = lostReason === null ? failure?.message : `the task is lost: ${lostReason}`;
    return { ...unknownEnd, oomKilled: false, error };
  }
  const { exitCode, signal, oomKilled } = exit;
  const unknown =
    exit.source === "unknown" ? { error: "the task's exit code is unknown: its init is gone" } : {};
  return { exitCode, signal, oomKilled, ...unknown };
}

export function taskStatusOf(taskId: TaskId, snapshot: TaskSnapshot): TaskStatus {
  const { request, process, exit, startedAt } = snapshot.context;
  const state = snapshot.value;
  return {
    taskId,
    taskName: request?.taskName ?? "",
    state: isAlive(state) ? "running" : exit === null ? "unknown" : "exited",
    startedAtMs: startedAt ?? undefined,
    completedAtMs: exit?.endedAt,
    exit: exit === null ? undefined : exitResultOf(snapshot),
    attributes: { state, ...(process && { pid: String(process.task.pid) }) },
  };
}
