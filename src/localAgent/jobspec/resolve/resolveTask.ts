/** Resolves everything in a task that depends on its allocation; later steps need no job file. Pure. */

import { openGoTemplate } from "../goTemplate/evaluate.ts";
import type { TemplateFacts } from "../goTemplate/functions.ts";
import { type Group, hostVolumeOf, type Job, type Task, type Template } from "../job.ts";
import {
  attempt,
  evaluateAt,
  inside,
  isAtOrIn,
  type JobFile,
  placeOf,
  rejectJob,
  report,
} from "../jobFile.ts";
import { TemplateError } from "../templateError.ts";
import {
  type Absent,
  type AllocationFacts,
  baseEnvironment,
  metaVariables,
  runtimeLookup,
} from "./allocationEnvironment.ts";
import { type AttributeSpec, followSpec } from "./driverConfig.ts";
import { mapTexts, render, templateText } from "./interpolate.ts";
import type { Reference } from "./template.ts";

export interface ResolvedTask {
  /** Complete, except for the variables that the driver adds. Holds secrets. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Every attribute of the driver's schema; null for attributes that the file does not set, or sets to an
   * invalid value.
   */
  readonly config: Readonly<Record<string, unknown>>;
  readonly files: readonly ResolvedFile[];
  readonly mounts: readonly ResolvedMount[];
  readonly hostname: string | undefined;
}

export interface ResolvedMount {
  /** Name of the host volume. */
  readonly source: string;
  readonly destination: string;
  readonly readOnly: boolean;
  readonly propagation: string;
}

export interface ResolvedFile {
  /** Absolute, and within the allocation's folder. */
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly perms: number;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/**
 * Resolves a task for an allocation. The file collects the problems: unknown references, templates that a
 * local run cannot render, and options that the driver does not have. What is wrong counts as absent.
 * @param schema of the driver's task config
 */
export function resolveTask(
  file: JobFile,
  { job, group, task }: { readonly job: Job; readonly group: Group; readonly task: Task },
  facts: AllocationFacts,
  schema: readonly AttributeSpec[],
): ResolvedTask {
  const place = `job.${job.id}.group.${group.name}.task.${task.name}`;
  const base = baseEnvironment(job, group, task, facts);
  const absent = {
    variables: file.absent,
    secrets: task.secrets,
    skipsSecrets: file.skips.has("secret"),
  };
  const ofHost = runtimeLookup(facts.hostEnv, facts.node, absent);
  Object.assign(base, metaVariables(resolvedTexts(file, `${place}.meta`, task.meta, ofHost)));
  const ofBase = runtimeLookup(base, facts.node, absent);
  const own = { ...base, ...resolvedTexts(file, `${place}.env`, task.env, ofBase) };
  const rendered = task.templates.flatMap((template) => {
    const known = file.problems.length;
    const one = attempt(file, () =>
      evaluateAt(file, template.place, () => resolveTemplate(file, template, own, facts, absent)),
    );
    return isSkipped(file, template, known) ? [] : (one ?? []);
  });
  const env = Object.assign({ ...own }, ...rendered.map(({ variables }) => variables));
  const lookup = runtimeLookup(env, facts.node, absent);
  const { config, mismatches } = followSpec(
    resolvedTexts(file, `${place}.config`, task.config, lookup),
    schema,
  );
  for (const { attribute, message, hint } of mismatches) {
    const at = `${place}.config.${attribute}`;
    // An option that could not be resolved is absent, and its problem is reported already.
    const places = [...file.problems.map((each) => each.place), ...file.unresolved];
    if (!places.some((each) => isAtOrIn(each, at))) report(file, { place: at, message, hint });
  }
  const resolvedText = (at: string, text: string) =>
    attempt(file, () => evaluateAt(file, at, () => render(text, lookup))) ?? "";
  const mounts = task.volumeMounts.map(({ place: at, volume, destination, ...mount }) => {
    const source = hostVolumeOf(volume, facts.allocIndex);
    return { ...mount, source, destination: resolvedText(inside(at, "destination"), destination) };
  });
  const { hostname } = group.network;
  return {
    env,
    config,
    files: [...rendered, ...payloadFiles(file, place, task, facts)],
    mounts,
    hostname: hostname && resolvedText(`group.${group.name}.network.hostname`, hostname),
  };
}

/** The file of a dispatch's payload. Like templates, it belongs to root. */
function payloadFiles(
  file: JobFile,
  place: string,
  { payloadFile }: Task,
  { folders }: AllocationFacts,
): ResolvedFile[] {
  const { payload } = file.dispatch;
  if (payload === undefined || payloadFile === undefined) return [];
  if (payloadFile.split("/").includes("..") || payloadFile.endsWith("/")) {
    const message = `${payloadFile} is not in the folder local`;
    report(file, { place: inside(place, "dispatch_payload.file"), message });
  }
  const path = `${folders.task}/${payloadFile.replace(/^\/+/, "")}`;
  return [{ path, content: payload, perms: 0o644, uid: undefined, gid: undefined }];
}

/** Resolves all texts of a map, and all references in them. The file collects the problems. */
function resolvedTexts<T>(
  file: JobFile,
  place: string,
  map: Readonly<Record<string, T>>,
  lookup: (reference: Reference) => string,
): Record<string, T> {
  const resolved = (text: string, at: string) =>
    attempt(file, () =>
      evaluateAt(file, at, () =>
        render(text, (reference) => {
          const value = attempt(file, () => evaluateAt(file, at, () => lookup(reference)));
          if (value === undefined) file.unresolved.add(at);
          return value ?? "";
        }),
      ),
    ) ?? "";
  return mapTexts(map, (text, steps) => resolved(text, placeOf(place, steps))) as Record<string, T>;
}

/**
 * Whether `--skip template` leaves a template out: one with problems, all of which are what a local run lacks.
 * The file then forgets these problems.
 * @param known the number of problems before the template's
 */
function isSkipped(file: JobFile, { place }: Template, known: number): boolean {
  const added = file.problems.slice(known);
  if (!file.skips.has("template") || added.length === 0 || added.some(({ lacking }) => !lacking))
    return false;
  file.problems.length = known;
  file.ignored.add(place);
  return true;
}

function resolveTemplate(
  file: JobFile,
  template: Template,
  env: Readonly<Record<string, string>>,
  facts: AllocationFacts,
  absent: Absent,
): ResolvedFile & { readonly variables: Readonly<Record<string, string>> } {
  const { servers, host } = file;
  const content = renderData(file, template, { env, now: facts.now, patterns: host.patterns, servers });
  const destination = render(template.destination, runtimeLookup(env, facts.node, absent));
  const path = withinAllocation(destination, facts);
  if (path === undefined) {
    const message = `${destination} is neither in the task's folder nor in the allocation's shared one`;
    rejectJob(file, { place: inside(template.place, "destination"), message, find: template.destination });
  }
  const { perms, uid, gid } = template;
  return { path, content, perms, uid, gid, variables: template.env ? parseEnvFile(content) : {} };
}

/** As on a client, a path outside the allocation's folders is relative to the task's folder. */
function withinAllocation(destination: string, { folders }: AllocationFacts): string | undefined {
  const root = parentOf(folders.task);
  const isWithin = (path: string) => [root, folders.alloc].some((folder) => path.startsWith(`${folder}/`));
  const path = isWithin(destination) ? destination : `${root}/${destination}`;
  // A path with `..` could leave the folder again, and no job needs one.
  return path.split("/").includes("..") || path.endsWith("/") ? undefined : path;
}

function parentOf(folder: string): string {
  return folder.slice(0, folder.lastIndexOf("/"));
}

/**
 * The text of a template. The file collects the problems of its functions.
 * @throws TemplateError that names the template's line
 */
function renderData(file: JobFile, template: Template, facts: TemplateFacts): string {
  const { leftDelimiter: left, rightDelimiter: right } = template;
  const data = templateText(template);
  if (!data.includes(left)) return data;
  const opened = openGoTemplate(data, { left, right }, facts);
  for (const { message, fault } of opened.problems) {
    const skippable = { hint: "--skip template goes on without it.", lacking: true, skip: "template" };
    report(file, { place: template.place, message, ...(fault === "lacking" && skippable) });
  }
  return opened.problems.length > 0 ? "" : opened.render();
}

/**
 * Parses the `KEY=value` lines of a template with `env = true`. Skips blank lines
 * and comments; strips `export` and a pair of quotes.
 * @throws TemplateError naming the line, not its content
 */
function parseEnvFile(text: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [index, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const [, name, value = ""] = /^(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*)$/.exec(trimmed) ?? [];
    if (name === undefined) throw new TemplateError(`line ${index + 1} is not of the form KEY=value`, "");
    variables[name] = unquote(value);
  }
  return variables;
}

function unquote(value: string): string {
  const [, single, double] = /^'([^']*)'$|^"((?:[^"\\]|\\.)*)"$/.exec(value) ?? [];
  if (single !== undefined) return single;
  if (double === undefined) return value;
  return double.replaceAll(/\\(.)/g, (_, character: string) => (character === "n" ? "\n" : character));
}
