/** Resolves everything in a task that depends on its allocation; later steps need no job file. Pure. */

import { renderGoTemplate } from "../goTemplate/evaluate.ts";
import type { TemplateFacts } from "../goTemplate/functions.ts";
import type { Group, Job, Task, Template } from "../job.ts";
import { evaluateAt, type FoundProblem, inside, type JobFile, located, rejectJob } from "../jobFile.ts";
import { TemplateError } from "../templateError.ts";
import {
  type AllocationFacts,
  baseEnvironment,
  runtimeLookup,
  taskEnvironment,
} from "./allocationEnvironment.ts";
import { type AttributeSpec, followSpec } from "./driverConfig.ts";
import { render, renderAll } from "./interpolate.ts";

export interface ResolvedTask {
  /** Complete, except for the variables that the driver adds. Holds secrets. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Every attribute of the driver's schema; null for attributes that the file does not set, or sets to an
   * invalid value.
   */
  readonly config: Readonly<Record<string, unknown>>;
  /** Options that the driver does not have, that are of the wrong type, or that are missing. */
  readonly configProblems: readonly FoundProblem[];
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
  readonly content: string;
  readonly perms: number;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/**
 * Resolves a task for an allocation.
 * @param schema of the driver's task config
 * @throws InvalidFile for unknown references, and for templates that a local run cannot render
 */
export function resolveTask(
  file: JobFile,
  { job, group, task }: { readonly job: Job; readonly group: Group; readonly task: Task },
  facts: AllocationFacts,
  schema: readonly AttributeSpec[],
): ResolvedTask {
  const place = `job.${job.id}.group.${group.name}.task.${task.name}`;
  const base = evaluateAt(file, `${place}.meta`, () => baseEnvironment(job, group, task, facts));
  const own = evaluateAt(file, `${place}.env`, () => taskEnvironment(task, base, facts));
  const rendered = task.templates.map((template) => {
    const at = inside(place, "template");
    return evaluateAt(file, at, () => resolveTemplate(file, at, template, own, facts));
  });
  const env = Object.assign({ ...own }, ...rendered.map(({ variables }) => variables));
  const lookup = runtimeLookup(env, facts.node);
  const config = evaluateAt(file, `${place}.config`, () => renderAll(task.config, lookup));
  const fitted = followSpec(config as Record<string, unknown>, schema);
  const mounts = task.volumeMounts.map(({ volume, destination, ...mount }) => {
    const source = volume.perAlloc ? `${volume.source}[${facts.allocIndex}]` : volume.source;
    const at = inside(place, "volume_mount.destination");
    return { ...mount, source, destination: evaluateAt(file, at, () => render(destination, lookup)) };
  });
  const { hostname } = group.network;
  return {
    env,
    config: fitted.config,
    configProblems: fitted.mismatches.map(({ attribute, message }) =>
      located(file, { place: `${place}.config.${attribute}`, message }),
    ),
    files: rendered,
    mounts,
    hostname:
      hostname && evaluateAt(file, `group.${group.name}.network.hostname`, () => render(hostname, lookup)),
  };
}

function resolveTemplate(
  file: JobFile,
  place: string,
  template: Template,
  env: Readonly<Record<string, string>>,
  facts: AllocationFacts,
): ResolvedFile & { readonly variables: Readonly<Record<string, string>> } {
  const content = renderData(template, { env, now: facts.now, patterns: file.host.patterns });
  const destination = render(template.destination, runtimeLookup(env, facts.node));
  const path = withinAllocation(destination, facts);
  if (path === undefined) {
    const message = `${destination} is neither in the task's folder nor in the allocation's shared one`;
    rejectJob(file, { place: inside(place, "destination"), message, find: template.destination });
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
 * The text of a template.
 * @throws TemplateError that names the template's line, also for functions that need a server
 */
function renderData(template: Template, facts: TemplateFacts): string {
  const { leftDelimiter: left, rightDelimiter: right } = template;
  // A `${…}` that the file does not define is literal text, such as a shell variable.
  const data = render(template.data, ({ text }) => `\${${text}}`);
  if (!data.includes(left)) return data;
  return renderGoTemplate(data, { left, right }, facts);
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
