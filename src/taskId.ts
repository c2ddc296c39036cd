/** Ids of tasks, as agents make them: `<allocation>/<task>/<run>`, the last part new at each start. Pure. */

export interface TaskIdParts {
  readonly allocId: string;
  readonly taskName: string;
}

/** @returns undefined for an id of another form */
export function partsOfTaskId(taskId: string): TaskIdParts | undefined {
  const [allocId, taskName, run, ...more] = taskId.split("/");
  return allocId && taskName && run && more.length === 0 ? { allocId, taskName } : undefined;
}

/** What all runs of a task of an allocation have in common: the id without its last part. */
export function taskOfRun(taskId: string): string {
  const end = taskId.lastIndexOf("/");
  return end < 0 ? taskId : taskId.slice(0, end);
}
