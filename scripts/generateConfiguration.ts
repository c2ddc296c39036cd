/**
 * Updates the parts of docs/configuration.md, docs/install.md and docs/security.md between marks, from the schemas of the
 * options and from other data. The rest of the pages is written by hand.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { reportOn } from "../src/cli/commands/doctor/report.ts";
import { nodeOffers } from "../src/driver/node/nodeParts.ts";
import { pluginSchema } from "../src/driver/options/pluginOptions.ts";
import { type Exception, exceptions } from "../src/effects/exceptions.ts";
import type { HostFacts } from "../src/effects/host/hostFacts.ts";
import { type Abi, abis } from "../src/effects/landlock/rights.ts";
import { deprecationText, metaOf } from "../src/effects/options/deprecation.ts";
import { hclName } from "../src/effects/options/hclOptions.ts";
import { taskSchema } from "../src/effects/parts.ts";
import { defaultProfile } from "../src/effects/seccomp/defaultProfile.ts";
import type { RestrictionGroup } from "../src/effects/seccomp/restriction.ts";
import { builtInSets } from "../src/effects/unveil/builtInSets.ts";
import { defaultPaths } from "../src/effects/unveil/defaultPaths.ts";

/** Makes each part of each page of docs, by its name in the marks. */
const pages = {
  configuration: {
    "plugin options": () => optionTable(pluginSchema),
    "task options": () => optionTable(taskSchema()),
    "default paths": listDefaultPaths,
    "default profile": profileTable,
    programs: programTable,
  },
  security: { exceptions: listExceptions },
  install: { features: featureTable },
} as const satisfies Readonly<Record<string, Readonly<Record<string, () => string>>>>;

type PageName = keyof typeof pages;

/**
 * The page with its generated parts up to date.
 * @throws Error if the page lacks one of the marks
 */
export function renewPage(page: string, of: PageName = "configuration"): string {
  return Object.entries(pages[of]).reduce((text, [name, generate]) => {
    const [begin, end] = [`<!-- generated: ${name} -->\n`, `\n<!-- end: ${name} -->`];
    const [before, rest = ""] = splitAt(text, begin);
    const [, after] = splitAt(rest, end);
    if (after === undefined) throw new Error(`docs/${of}.md has no marks for its ${name}`);
    return `${before}${begin}\n${generate()}\n${end}${after}`;
  }, page);
}

function splitAt(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + mark.length)];
}

function listExceptions(): string {
  const rows: readonly Exception[] = Object.values(exceptions);
  return tableOf(
    ["option", "what jobs that use it may break through", "meaning"],
    rows.map(({ option, opens, meaning }) => [`\`${option}\``, opens.join(", "), meaning]),
  );
}

/** What `doctor` checks of a host, from its report on one that has nothing. */
function featureTable(): string {
  const offers = nodeOffers.map((offer) => ({ offer, finding: undefined }));
  const folder = { found: "", checked: true, problem: undefined, quarantined: [] };
  const checks = reportOn(nothing, folder, [], offers).checks.filter(({ name }) => !notOfTheKernel.has(name));
  const needed = checks.filter(({ serves }) => serves === undefined).map(({ name }) => name);
  const others = checks.flatMap(({ name, serves = "" }) =>
    serves === "" ? [] : [[featureName(name), serves]],
  );
  return tableOf(
    ["`doctor` checks", "which serves"],
    [[needed.join(", "), "every task: without it, none starts"], ...others],
  );
}

/** What a host has that has only cgroup v2, whose controllers are checks, too. */
const nothing: HostFacts = {
  ...{ kernel: "", arch: "", bootId: "", root: false, landlockAbi: 0, missingCalls: [""] },
  ...{
    cgroupMount: "/sys/fs/cgroup",
    cgroupControllers: [],
    cgroupDelegated: [],
    ioWeights: false,
    psi: false,
  },
  ...{ memfdExecution: false, seccomp: false, namespaces: { pid: false, mount: false, ipc: false } },
  ...{ cores: 0, mhzPerCore: 0, mhzKnown: false },
};

/** Checks that do not concern what a kernel has, or repeat another one. */
const notOfTheKernel = new Set([
  "kernel",
  "  since ABI 1",
  "journald",
  "speed of a core",
  "state folder",
  "killed runs",
]);

/** `  since ABI 2` becomes `Landlock ABI 2 (Linux 5.19)`. */
function featureName(check: string): string {
  const [, abi] = /^ *since ABI (\d+)$/.exec(check) ?? [];
  return abi === undefined ? check.trim() : `Landlock ABI ${abi} (Linux ${abis[Number(abi) as Abi].linux})`;
}

function programTable(): string {
  return tableOf(
    ["set", "program", "needs", "unveil"],
    Object.entries(builtInSets).map(([name, { program, meaning, entries }]) => [
      `\`${name}\``,
      program,
      meaning,
      entries.map((entry) => `\`"${entry}"\``).join(", "),
    ]),
  );
}

function listDefaultPaths(): string {
  return Object.entries(defaultPaths)
    .map(([group, entries]) => `- ${titles[group as keyof typeof defaultPaths]}: ${byMode(entries)}`)
    .join("\n");
}

const titles = {
  programs: "programs",
  sharedObjects: "shared objects",
  common: "common (`/tmp` is the task's own)",
  dns: "names",
  certificates: "certificates",
} as const satisfies Record<keyof typeof defaultPaths, string>;

/** `rx`: `/bin`, `/usr/bin`; `r`: … */
function byMode(entries: readonly string[]): string {
  const paths = Map.groupBy(entries, (entry) => entry.slice(0, entry.indexOf(":")));
  return [...paths]
    .map(
      ([mode, each]) =>
        `\`${mode}\`: ${each.map((entry) => `\`${entry.slice(mode.length + 1)}\``).join(", ")}`,
    )
    .join("; ");
}

/**
 * A table in Markdown.
 * @throws Error naming an option without a description or an example
 */
export function optionTable(schema: z.ZodObject): string {
  const rows = Object.entries(schema.shape).map(([key, field]) => {
    const name = hclName(key);
    const { description, example } = saidOf(field);
    if (description === undefined || example === undefined) {
      throw new Error(`the schema of ${name} has no description or no example in its meta`);
    }
    return [
      `\`${name}\``,
      typeOf(field),
      defaultOf(field),
      description,
      `\`${assignment(name, example, field)}\``,
    ];
  });
  return tableOf(["option", "type", "default", "meaning", "example"], rows);
}

/**
 * An option in HCL: `nice = 10`, `ulimit { core = "0" }`. A block in one line has one attribute: HCL2 has no more. A block
 * that needs several is written as a list.
 */
function assignment(name: string, value: unknown, field: unknown): string {
  const [block] = Array.isArray(value) ? value : [];
  if (typeof block !== "object") return `${name} = ${literal(value)}`;
  const [[key, each] = []] = Object.entries(block);
  if (key !== undefined && field instanceof z.ZodType && !field.safeParse([{ [key]: each }]).success)
    return `${name} = ${literal(value)}`;
  return key === undefined ? `${name} {}` : `${name} { ${key} = ${literal(each)} }`;
}

function literal(value: unknown): string {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)} = ${literal(each)}`);
    return `{ ${entries.join(", ")} }`;
  }
  return Array.isArray(value) ? `[${value.map(literal).join(", ")}]` : JSON.stringify(value);
}

/** What is said of an option: its description, which begins with its deprecation, and an example. */
export function saidOf(field: unknown): { description?: string | undefined; example?: unknown } {
  const { description, example, deprecation } = metaOf(field);
  if (deprecation === undefined || description === undefined) return { description, example };
  return { description: `${deprecationText(deprecation)}. ${description}`, example };
}

function typeOf(field: unknown): string {
  if (field instanceof z.ZodDefault || field instanceof z.ZodOptional) return typeOf(field.unwrap());
  if (field instanceof z.ZodBoolean) return "bool";
  if (field instanceof z.ZodNumber) return "number";
  if (field instanceof z.ZodPipe) return "size";
  if (field instanceof z.ZodEnum) return field.options.map((value) => `\`"${value}"\``).join(" or ");
  if (field instanceof z.ZodRecord) return "map of sizes";
  if (!(field instanceof z.ZodArray)) return "string";
  if (field.element instanceof z.ZodRecord) return "block";
  return field.element instanceof z.ZodNumber ? "list of numbers" : "list of strings";
}

function defaultOf(field: unknown): string {
  if (field instanceof z.ZodOptional) return "";
  if (!(field instanceof z.ZodDefault)) return "required";
  const value = field.def.defaultValue;
  return typeOf(field) === "block" ? "" : `\`${literal(value)}\``;
}

/** A table of the default profile of system calls. */
function profileTable(): string {
  const rows = defaultProfile.map((group) => [
    `\`@${group.name}\``,
    refusedOf(group) + (group.onlyInHostPids ? ', only with `pid_mode = "host"`' : ""),
    code(group.kernelNeeds ?? []),
    group.reason,
  ]);
  return tableOf(["group", "refused", "the kernel also needs", "because"], rows);
}

/** Groups the calls that are refused for the same arguments. */
function refusedOf({ restrictions }: RestrictionGroup): string {
  const alike = Map.groupBy(restrictions, ({ what = "", errno }) =>
    [what && ` with ${what}`, errno === "EPERM" ? "" : ` (${errno})`].join(""),
  );
  return [...alike].map(([how, each]) => code(each.flatMap(({ calls }) => calls)) + how).join("; ");
}

function code(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(", ");
}

function tableOf(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return lines.toSpliced(1, 0, `|${"---|".repeat(header.length)}`).join("\n");
}

if (import.meta.main) {
  for (const name of Object.keys(pages) as PageName[]) {
    const page = join(import.meta.dirname, `../docs/${name}.md`);
    writeFileSync(page, renewPage(readFileSync(page, "utf8"), name));
  }
}
