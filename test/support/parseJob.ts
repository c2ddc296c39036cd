import type { Job } from "../../src/localAgent/jobspec/job.ts";
import { type JobFile, throwCollected } from "../../src/localAgent/jobspec/jobFile.ts";
import { readJobFile } from "../../src/localAgent/jobspec/readJob.ts";
import type { VariableSources } from "../../src/localAgent/jobspec/resolve/variables.ts";

/** A job file's job. @throws InvalidFile with all problems */
export async function parseJob(file: JobFile, variables: VariableSources): Promise<Job> {
  const job = await readJobFile(file, variables);
  throwCollected(file);
  return job as Job;
}
