/** Parses a job file, HCL2 or JSON, to a validated {@link Job}. */
import { messageOf } from "../errors.ts";
import { apiJobToBody } from "./apiJob.ts";
import type { Body } from "./body.ts";
import { parseHcl } from "./hclParser.ts";
import type { Job } from "./job.ts";
import { excerptAt, type JobFile, rejectJob } from "./jobFile.ts";
import { supportedPart } from "./keys.ts";
import { inPlace } from "./reader.ts";
import { readJob } from "./readJob.ts";
import { readFileScope, type VariableSources } from "./resolve/variables.ts";

/** @throws DriverError `JOB_INVALID` naming file, place and what is allowed */
export async function parseJob(file: JobFile, variables: VariableSources): Promise<Job> {
  const content = /^\s*\{/.test(file.source) ? parseJson(file) : await parseHcl(file);
  const top = apiJobToBody(content) ?? supportedPart(file, "file", "", content).blocks;
  const scope = inPlace(file, "", () => readFileScope(file, top, variables));
  return readJob({ file, scope }, top);
}

function parseJson(file: JobFile): Body {
  try {
    return JSON.parse(file.source) as Body;
  } catch (thrown) {
    const message = messageOf(thrown);
    const [, line, column] = /line (\d+) column (\d+)/.exec(message) ?? [];
    const excerpt = line ? `\n${excerptAt(file.source, Number(line), Number(column))}` : "";
    return rejectJob(file, { place: "", message: `this is not valid JSON: ${message}${excerpt}` });
  }
}
