/** Task ids as agents make them: `<allocation>/<task>/<run>`. The last part is new at each start. Pure. */

/**
 * The id of one run of a task. It is neither the task's name nor the allocation's id. The run's events are in
 * the stream of this name.
 */
export type TaskId = string & { readonly [brand]: never };

declare const brand: unique symbol;

/** Marks a text from an agent, a log or a job as an id. Agents may send any form, so nothing is checked. */
export function toTaskId(text: string): TaskId {
  return text as TaskId;
}

export interface TaskIdParts {
  readonly allocId: string;
  readonly taskName: string;
}

/** @returns undefined for an id of another form */
export function partsOfTaskId(taskId: string): TaskIdParts | undefined {
  const [allocId, taskName, run, ...more] = taskId.split("/");
  return allocId && taskName && run && more.length === 0 ? { allocId, taskName } : undefined;
}

/** Matches an id of the form above whose parts are safe as parts of a file name. */
export const plainTaskId = /^[A-Za-z0-9-]{1,64}\/[A-Za-z0-9._-]{1,128}\/[0-9a-f]{8}$/;

/**
 * Whether a task may have the name. The task's folder has the same name, so the name must not lead out of the
 * allocation's folder.
 */
export function isTaskName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);
}

/** The allocation's id; the whole id if it has another form. */
export function allocationOf(taskId: string): string {
  return taskId.split("/")[0] ?? taskId;
}

/** The task's name; the whole id if it has another form. */
export function taskName(taskId: string): string {
  return taskId.split("/")[1] ?? taskId;
}

/**
 * Makes the id of an allocation of a local run. It is a UUID of version 8, whose bits are the maker's own (RFC
 * 9562). It ends with the allocation's index, because events do not have the index, but people name tasks by it.
 * @param random a random UUID
 * @param index of the allocation among the instances of its group, from 0
 */
export function localAllocationId(random: string, index: number): string {
  const end = index.toString(16).padStart(indexDigits, "0").slice(-indexDigits);
  return `${random.slice(0, localMark.at)}${localMark.text}${random.slice(localMark.at + localMark.text.length, -indexDigits)}${end}`;
}

/** The index of a local run's allocation in its group; undefined for an allocation of an agent. */
export function allocationIndex(allocId: string): number | undefined {
  if (!allocId.startsWith(localMark.text, localMark.at)) return undefined;
  return Number.parseInt(allocId.slice(-indexDigits), 16);
}

/** Where local ids differ from an agent's: the version 8, twelve bits of the maker's choice, and the variant. */
const localMark = { at: 14, text: "8e2c-8" };
const indexDigits = 4;

/** The first 8 hex digits of an allocation's or a task's id, as Nomad shows it. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** A task's short name, such as `6f2d4a9e/web`. */
export function shortName({ allocId, taskName }: TaskIdParts): string {
  return `${shortId(allocId)}/${taskName}`;
}

/** The short name of the task with this id. */
export function shortNameOf(taskId: string): string {
  return shortName({ allocId: allocationOf(taskId), taskName: taskName(taskId) });
}

/** The id without its last part. All runs of a task in an allocation share it. */
export function taskOfRun(taskId: string): string {
  const end = taskId.lastIndexOf("/");
  return end < 0 ? taskId : taskId.slice(0, end);
}
