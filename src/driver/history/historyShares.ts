/**
 * What the histories of each job use of the event log, so that a log that is too full loses histories of the jobs
 * that use most of it. Pure.
 */
import { parentJob } from "../../base/jobName.ts";
import type { StoredEvent } from "../../store/eventStore.ts";

/** Tasks whose job is not known, such as those that were taken over from the Go driver, share a group. */
export const noJob = "";

export class HistoryShares {
  readonly #used = new Map<string, number>();
  #total = 0;

  /** @param bytes of a history; negative once it is removed */
  add(job: string, bytes: number): void {
    this.#used.set(job, (this.#used.get(job) ?? 0) + bytes);
    this.#total += bytes;
  }

  /**
   * The share of each job, in bytes, if all together may use this part of what they use now. At least one job uses
   * more than it, if the part is below 1.
   */
  equalShare(part: number): number {
    return (this.#total * part) / Math.max(1, this.#used.size);
  }

  used(job: string): number {
    return this.#used.get(job) ?? 0;
  }
}

/** The job of a history, with all that Nomad has made of it. @param first the history's first event */
export function jobOf({ type, data }: Pick<StoredEvent, "type" | "data">): string {
  if (type !== "requested") return noJob;
  const { namespace, jobId } = data as Readonly<Record<string, unknown>>;
  if (typeof namespace !== "string" || typeof jobId !== "string" || jobId === "") return noJob;
  return `${namespace}\n${parentJob(jobId)}`;
}
