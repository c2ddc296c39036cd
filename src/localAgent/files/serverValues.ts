/** Reads the file of `--values`. */
import { type ServerValues, serverValuesSchema } from "../jobspec/goTemplate/serverValues.ts";
import {
  type FoundProblem,
  InvalidFile,
  type JobFile,
  jobFile,
  report,
  throwCollected,
} from "../jobspec/jobFile.ts";
import { substitute } from "../jobspec/resolve/interpolate.ts";
import { unescapeLiteral } from "../jobspec/resolve/template.ts";
import { isJson, parseFile } from "../jobspec/syntax.ts";
import { readTextFile } from "./textFile.ts";

/**
 * @param path of a file in HCL2 or JSON; its texts are literal
 * @throws DriverError `JOB_INVALID`, which names lines and places, but never shows them: they hold secrets
 */
export async function readServerValues(path: string): Promise<ServerValues> {
  const file = jobFile(path, await readTextFile(path, "JOB_INVALID", "file of values"));
  try {
    return await valuesIn(file);
  } catch (thrown) {
    if (!(thrown instanceof InvalidFile)) throw thrown;
    throw new InvalidFile(thrown.problems.map(withoutSource));
  }
}

/** A parser's message may quote the source. */
function withoutSource(problem: FoundProblem): FoundProblem {
  const message = /^this is not valid \w+/.exec(problem.message)?.[0] ?? problem.message;
  return { ...problem, message, excerpt: "" };
}

async function valuesIn(file: JobFile): Promise<ServerValues> {
  const content = await parseFile(file);
  const plain = isJson(file) ? content : substitute(content, unescapeLiteral);
  const { data, error } = serverValuesSchema.safeParse(plain);
  for (const { path, message } of error?.issues ?? []) {
    const place = path.reduce<string>(
      (around, step) =>
        typeof step === "number" ? `${around}[${step}]` : `${around}${around && "."}${String(step)}`,
      "",
    );
    report(file, { place, message });
  }
  throwCollected(file);
  return data ?? {};
}
