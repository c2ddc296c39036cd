/** Describes killed runs and their leftovers. Pure. */
import type { Leftover } from "../../localAgent/work/leftovers.ts";
import { formatDuration } from "../../units/durations.ts";

/** Such as `run web.hcl (process 4711, 3 min ago)`. */
export function leftoverName({ owner }: Leftover, now: number): string {
  if (owner === undefined) return "a run";
  const { job, pid, begunAt } = owner;
  return `run ${job} (process ${pid}, ${formatDuration(Math.max(0, now - begunAt))} ago)`;
}

/** Such as `run web.hcl (process 4711, 3 min ago) was killed and left task web`. */
export function leftoverSentence(leftover: Leftover, now: number): string {
  return `${leftoverName(leftover, now)} was killed and left ${leftoverParts(leftover)}`;
}

/** Such as `tasks web, db; folder /var/tmp/nomad-driver-exec2-x1y2z3`. */
export function leftoverParts({ work, keep, scopes }: Leftover): string {
  const names = scopes.map(({ task }) => task);
  const tasks = names.length === 0 ? [] : [`${names.length === 1 ? "task" : "tasks"} ${names.join(", ")}`];
  const folders = work === undefined || keep ? [] : [`folder ${work}`];
  return [...tasks, ...folders].join("; ");
}
