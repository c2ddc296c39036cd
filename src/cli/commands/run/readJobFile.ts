import { DriverError } from "../../../base/errors.ts";
import { suggestion } from "../../../base/suggest.ts";
import { hostVolumesOf } from "../../../localAgent/allocation/hostVolumes.ts";
import { hostAccess, type ReadableFiles } from "../../../localAgent/files/hostAccess.ts";
import { readServerValues } from "../../../localAgent/files/serverValues.ts";
import { readBytes, readTextFile } from "../../../localAgent/files/textFile.ts";
import { type FileReading, type JobFile, jobFile } from "../../../localAgent/jobspec/jobFile.ts";
import { skippable } from "../../../localAgent/jobspec/keys.ts";
import type { VariableSources } from "../../../localAgent/jobspec/resolve/variables.ts";
import { parseFile } from "../../../localAgent/jobspec/syntax.ts";
import { type Assignments, type JobFileOptions, single } from "../verb.ts";

/** How a job file is read. */
export interface JobOptions {
  /** Values of variables, from the command line. */
  readonly variables: Readonly<Record<string, string>>;
  /** Values of variables, from files. */
  readonly variableFiles: Readonly<Record<string, unknown>>;
  /** The files that the job file's functions may read. */
  readonly files: ReadableFiles;
  readonly reading: Omit<FileReading, "host">;
}

/**
 * Takes the options of a job file from the command line, and reads the files that they name.
 * @throws DriverError `JOB_INVALID`, `CONFIG_INVALID`
 */
export async function readJobOptions(options: JobFileOptions): Promise<JobOptions> {
  const { varFile = [], skip: skips = [], task: tasks = [], files = true, payload, values } = options;
  refuseUnknownSkips(skips);
  const upstreams = addressesOf(options.upstream);
  return {
    variables: single(options.var),
    variableFiles: await readVariableFiles(varFile),
    files: files === true ? "all" : files === false ? "none" : { below: files },
    reading: {
      // Upstreams have addresses of their own only without Connect.
      skips: Object.keys(upstreams).length > 0 ? [...skips, "connect"] : skips,
      tasks,
      node: { ...prefixed("meta", options.nodeMeta), ...prefixed("attr", options.nodeAttr) },
      dispatch: {
        meta: single(options.meta),
        payload: payload === undefined ? undefined : await readBytes(payload, "JOB_INVALID", "payload"),
      },
      hostVolumes: hostVolumesOf(single(options.hostVolume)),
      upstreams,
      servers: values === undefined ? {} : await readServerValues(values),
    },
  };
}

/**
 * @param path `-` reads standard input
 * @throws DriverError `JOB_INVALID`
 */
export async function readJobFile(path: string, options: JobOptions): Promise<JobFile> {
  const text = await readTextFile(path, "JOB_INVALID", "job file");
  return jobFileOf(path === "-" ? "standard input" : path, text, options);
}

/** @param name the path as the user typed it */
export function jobFileOf(name: string, source: string, { reading, files }: JobOptions): JobFile {
  return jobFile(name, source, { ...reading, host: hostAccess(name, files) });
}

function refuseUnknownSkips(skips: readonly string[]): void {
  const known = skippable();
  for (const name of skips) {
    if (known.includes(name)) continue;
    const hint = suggestion(name, known);
    throw new DriverError("CONFIG_INVALID", `--skip ${name}: there is no such part to leave out`, { hint });
  }
}

function prefixed(prefix: string, assignments: Assignments | undefined): Record<string, string> {
  const values = Object.entries(single(assignments));
  return Object.fromEntries(values.map(([name, value]) => [`${prefix}.${name}`, value]));
}

/** @throws DriverError `CONFIG_INVALID` for an address without a port */
function addressesOf(upstreams: Assignments | undefined): Record<string, string> {
  const addresses = single(upstreams);
  for (const [name, address] of Object.entries(addresses)) {
    if (/^[^:]+:\d{1,5}$|^\[[^\]]+\]:\d{1,5}$/.test(address)) continue;
    throw new DriverError(
      "CONFIG_INVALID",
      `--upstream ${name}: ${JSON.stringify(address)} is not an address`,
      {
        hint: "Write HOST:PORT, such as 127.0.0.1:9000",
      },
    );
  }
  return addresses;
}

/** Later files override earlier ones. */
async function readVariableFiles(paths: readonly string[]): Promise<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const path of paths) {
    const file = jobFile(path, await readTextFile(path, "JOB_INVALID", "variable file"));
    Object.assign(values, await parseFile(file));
  }
  return values;
}

/** Where the values of a job's variables come from. */
export function variablesOf({
  variables,
  variableFiles = {},
}: Pick<JobOptions, "variables"> & Partial<JobOptions>): VariableSources {
  return { given: variables, files: variableFiles, environment: process.env };
}
