import type { Job } from "../../src/jobspec/job.ts";
import { type JobFile, throwCollected } from "../../src/jobspec/jobFile.ts";
import { readJobFile } from "../../src/jobspec/readJob.ts";
import type { VariableSources } from "../../src/jobspec/resolve/variables.ts";

/** A job file's job. @throws InvalidFile with all problems */
export async function parseJob(file: JobFile, variables: VariableSources): Promise<Job> {
  const job = await readJobFile(file, variables);
  throwCollected(file);
  return job as Job;
}
