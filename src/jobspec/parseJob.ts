/** Parses a job file, HCL2 or JSON, to a validated {@link Job}. */
import { apiJobToBody } from "./apiJob.ts";
import type { Job } from "./job.ts";
import { attempt, type JobFile, throwCollected } from "./jobFile.ts";
import { supportedPart } from "./keys.ts";
import { readJob } from "./readJob.ts";
import { readFileScope, type VariableSources } from "./resolve/variables.ts";
import { parseFile } from "./syntax.ts";

/** @throws InvalidFile with all problems: for each, the place and what is allowed there */
export async function parseJob(file: JobFile, variables: VariableSources): Promise<Job> {
  const job = await readJobFile(file, variables);
  throwCollected(file);
  return job as Job;
}

/**
 * Reads as much of the job as possible. Wrong parts become problems of the file, and defaults stand in for them.
 * @returns undefined only if there are problems
 * @throws InvalidFile for a file whose syntax is wrong
 */
export async function readJobFile(file: JobFile, variables: VariableSources): Promise<Job | undefined> {
  const content = await parseFile(file);
  const top = apiJobToBody(content) ?? supportedPart(file, "file", "", content).blocks;
  const scope = await readFileScope(file, top, variables);
  return attempt(file, () => readJob({ file, scope, scopes: new WeakMap(), skippedVolumes: new Set() }, top));
}
