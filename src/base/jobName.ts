/** Names of jobs. Pure. */

/** What Nomad appends to the name of a job that it makes of another, at a time or for a dispatch. */
const child = /\/(?:periodic-\d+|dispatch-\d+-[0-9a-f]+)$/;

/** The name of the job from which Nomad has made a job; the job's own name, if a person has made it. */
export function parentJob(jobId: string): string {
  return jobId.replace(child, "");
}
