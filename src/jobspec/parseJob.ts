/** Parses a job file, HCL2 or JSON, to a validated {@link Job}. */
import { apiJobToBody } from "./apiJob.ts";
import type { Job } from "./job.ts";
import type { JobFile } from "./jobFile.ts";
import { supportedPart } from "./keys.ts";
import { inPlace } from "./reader.ts";
import { readJob } from "./readJob.ts";
import { readFileScope, type VariableSources } from "./resolve/variables.ts";
import { parseHcl, parseJson } from "./syntax.ts";

/** @throws DriverError `JOB_INVALID` naming file, place and what is allowed */
export async function parseJob(file: JobFile, variables: VariableSources): Promise<Job> {
  const content = /^\s*\{/.test(file.source) ? parseJson(file) : await parseHcl(file);
  const top = apiJobToBody(content) ?? supportedPart(file, "file", "", content).blocks;
  const scope = inPlace(file, "", () => readFileScope(file, top, variables));
  return readJob({ file, scope }, top);
}
