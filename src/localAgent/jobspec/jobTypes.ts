/** What a Nomad server refuses in a job of a type. Pure. */
import { inside, type JobFile, report } from "./jobFile.ts";
import { asList, type Body, isJson } from "./syntax.ts";

const types = ["service", "batch", "system", "sysbatch"] as const;
export type JobType = (typeof types)[number];

/** The types of jobs that may have a block. Others are for every job. */
const allowed: Readonly<Record<string, readonly JobType[]>> = {
  affinity: ["service", "batch", "sysbatch"],
  spread: ["service", "batch", "sysbatch"],
  reschedule: ["service", "batch", "sysbatch"],
  migrate: ["service"],
  update: ["service", "system"],
  periodic: ["batch", "sysbatch"],
  parameterized: ["batch", "sysbatch"],
};

/**
 * Collects the blocks of a job, a group or a task that a job of its type may not have. A server's own JSON has
 * each block, with values that mean nothing, and is not checked.
 */
export function checkJobType(file: JobFile, place: string, block: Body, type: JobType): void {
  if (isJson(file)) return;
  for (const [key, mayHave] of Object.entries(allowed)) {
    const blocks = asList(block[key]).filter((each) => (each as Body).enabled !== false);
    if (blocks.length === 0 || mayHave.includes(type)) continue;
    const message = `a job of type ${type} may not have this block; ${mayHave.join(", ")} may`;
    report(file, { place: inside(place, key), message, find: key });
  }
}
