/** Task ids as agents make them: `<allocation>/<task>/<run>`. The last part is new at each start. Pure. */

export interface TaskIdParts {
  readonly allocId: string;
  readonly taskName: string;
}

/** @returns undefined for an id of another form */
export function partsOfTaskId(taskId: string): TaskIdParts | undefined {
  const [allocId, taskName, run, ...more] = taskId.split("/");
  return allocId && taskName && run && more.length === 0 ? { allocId, taskName } : undefined;
}

/** The id without its last part. All runs of a task in an allocation share it. */
export function taskOfRun(taskId: string): string {
  const end = taskId.lastIndexOf("/");
  return end < 0 ? taskId : taskId.slice(0, end);
}
