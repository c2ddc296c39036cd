/**
 * What `why --prove` tries: the recorded request of a failed run, with one difference at a time. A difference is what
 * the run's witnessed cause advises, or what the last good run of the same task had otherwise. Pure.
 */
import { parseJsonOrNothing } from "../../base/json.ts";
import { mapTexts } from "../../base/mapTexts.ts";
import type { Cause } from "../../machines/events/cause.ts";
import { MASK } from "../../machines/events/defineEvent.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { isShortened } from "../../units/longLists.ts";
import { visible } from "../../units/visible.ts";
import { maskEvent } from "../replay/mask.ts";
import { isDynamicUser } from "../replay/normalize.ts";

type Request = NonNullable<TaskContext["request"]>;

/** What a run is started with. All texts are those of the failed run's allocation. */
export interface Setup {
  /** The task's options, by their names in job files. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly user: string;
  readonly resources: Pick<Request["resources"], "cpuMhz" | "memoryMb" | "memoryMaxMb">;
  /** Names of the variables that the task may get from its job file. */
  readonly envKeys: readonly string[];
}

export interface Trial {
  /** The difference, such as `unveil = ["r:/etc/adduser.conf"]`, of visible characters, without secrets. */
  readonly text: string;
  readonly setup: Setup;
}

export interface Proof {
  /** The recorded request, without any difference. */
  readonly baseline: Setup;
  readonly trials: readonly Trial[];
  /** Options that differ from the last good run, and of which the history has not what a job file would have. */
  readonly untried: readonly string[];
}

/** Options that a cause's advice may set. */
const advisable: ReadonlySet<string> = new Set([
  ...["unveil", "egress", "connect_tcp", "bind_tcp", "connect_udp", "bind_udp"],
  ...["seccomp_allow", "cap_add", "identity_files", "idmapped_volumes"],
]);

/**
 * @param failed the request of the failed run
 * @param good the request of the last good run before it
 * @param given names of the variables that the job file sets
 */
export function proofOf(
  failed: Request,
  cause: Cause | null | undefined,
  good: Request | undefined,
  given: readonly string[],
): Proof {
  const baseline = setupOf(failed);
  const advised = advisedOptions(cause);
  const ofAdvice = advised === undefined ? [] : [withAdvice(baseline, advised)];
  if (good === undefined) return { baseline, trials: distinct(baseline, ofAdvice), untried: [] };
  const before = setupOf(inAllocationOf(failed, good));
  const { plain, others } = changedOptions(baseline, before);
  const ofGood = [
    ...plain.map((name) => withOption(baseline, name, before.options[name])),
    ...ofUser(baseline, before),
    ...ofResources(baseline, before),
    ...ofVariables(baseline, before, given),
  ];
  return { baseline, trials: distinct(baseline, [...ofAdvice, ...ofGood]), untried: others };
}

function setupOf({ options, user, resources, envKeys }: Request): Setup {
  const { cpuMhz, memoryMb, memoryMaxMb } = resources;
  return {
    options,
    user: isDynamicUser(user) ? "" : user,
    resources: { cpuMhz, memoryMb, memoryMaxMb },
    envKeys,
  };
}

/** The request as it would be in the other one's allocation. */
function inAllocationOf({ allocDir, allocId }: Request, other: Request): Request {
  const words = [
    [other.allocDir, allocDir],
    [other.allocId, allocId],
  ].filter(([own]) => own !== "") as [string, string][];
  const moved = (text: string) => words.reduce((done, [own, theirs]) => done.replaceAll(own, theirs), text);
  return { ...other, options: mapTexts(other.options, moved) as Request["options"] };
}

type Options = Readonly<Record<string, unknown>>;

const text = String.raw`"(?:[^"\\]|\\.)*"`;
const item = String.raw`(?:${text}|\d+)`;
const line = String.raw`[a-z_]+ = (?:true|\[${item}(?:, ?${item})*\])`;
const extent = String.raw`(?: \([^()"]*\))?`;
const lines = `${line}${extent}(?:(?:, | and )${line}${extent})*`;

/** Earlier causes have their advice at the end of their text: before it may be names that the task has chosen. */
const advice = new RegExp(`(?:[;:] |: it takes |: chown it, or )(${lines})(?: allows it)?$`);
const setting = new RegExp(String.raw`([a-z_]+) = (true|\[(?:${text}|[^\]"])*\])`, "g");
const madeFiles = /: (identity_files = true) makes one$/;

/** The lines for the job file that a witnessed cause advises, by option; undefined if it advises none. */
export function advisedOptions(cause: Cause | null | undefined): Options | undefined {
  if (cause == null || cause.grade !== "witnessed") return undefined;
  const settings = cause.advice ?? settingsIn(cause.text);
  if (settings.length === 0 || !settings.every(({ option }) => advisable.has(option))) return undefined;
  const options: Record<string, unknown> = {};
  for (const { option, value } of settings) options[option] = united(options[option], value);
  return options;
}

/** The lines in an earlier cause's text. A text that was shortened has none, because they may be cut. */
function settingsIn(said: string): { readonly option: string; readonly value: unknown }[] {
  if (said.includes("…")) return [];
  const [, found = ""] = advice.exec(said) ?? madeFiles.exec(said) ?? [];
  const settings = Array.from(found.matchAll(setting), ([, option = "", value = ""]) => ({
    option,
    value: parseJsonOrNothing(value),
  }));
  return settings.every(({ value }) => value !== undefined) ? settings : [];
}

/** Adds to a list what it lacks. */
function united(before: unknown, added: unknown): unknown {
  if (!Array.isArray(added)) return added;
  return [...new Set([...(Array.isArray(before) ? before : []), ...added])];
}

function withAdvice(baseline: Setup, advised: Options): Trial {
  const options = { ...baseline.options };
  for (const [name, value] of Object.entries(advised)) options[name] = united(options[name], value);
  const added = Object.entries(advised).map(([name, value]) => lineOf(name, value));
  return { text: added.join(" and "), setup: { ...baseline, options } };
}

function lineOf(name: string, value: unknown): string {
  return visible(`${name} = ${JSON.stringify(value)}`);
}

/** The options that the good run had otherwise: those of which a trial can take over what it had, and the others. */
function changedOptions(
  { options }: Setup,
  good: Setup,
): { readonly plain: readonly string[]; readonly others: readonly string[] } {
  const names = [...new Set([...Object.keys(options), ...Object.keys(good.options)])];
  const changed = names.filter((name) => !isSame(options[name], good.options[name]));
  const canTry = (name: string) => isPlain(name, options[name]) && isPlain(name, good.options[name]);
  return { plain: changed.filter(canTry), others: changed.filter((name) => !canTry(name)) };
}

/** @param value what the good run had; undefined if it did not have the option */
function withOption(baseline: Setup, name: string, value: unknown): Trial {
  const { [name]: _, ...rest } = baseline.options;
  const options = value === undefined ? rest : { ...baseline.options, [name]: value };
  return { text: optionText(name, value), setup: { ...baseline, options } };
}

function ofUser(baseline: Setup, { user }: Setup): Trial[] {
  return baseline.user === user ? [] : [{ text: userText(user), setup: { ...baseline, user } }];
}

function ofResources(baseline: Setup, good: Setup): Trial[] {
  return resourceNames
    .filter(([name]) => baseline.resources[name] !== good.resources[name])
    .map(([name, label]): Trial => {
      const resources = { ...baseline.resources, [name]: good.resources[name] };
      return {
        text: `${label} = ${good.resources[name]} of its last good run`,
        setup: { ...baseline, resources },
      };
    });
}

const resourceNames = [
  ["cpuMhz", "resources.cpu"],
  ["memoryMb", "resources.memory"],
  ["memoryMaxMb", "resources.memory_max"],
] as const;

/** A variable has its value from the job file: one that the file does not set cannot be tried, in either way. */
function ofVariables(baseline: Setup, good: Setup, given: readonly string[]): Trial[] {
  return given.flatMap((name): Trial[] => {
    const [has, had] = [baseline.envKeys.includes(name), good.envKeys.includes(name)];
    if (has === had) return [];
    const envKeys = had ? [...baseline.envKeys, name] : baseline.envKeys.filter((each) => each !== name);
    const words = had ? "with its value in the job file" : "left out";
    return [{ text: visible(`variable ${name} ${words}`), setup: { ...baseline, envKeys } }];
  });
}

function optionText(name: string, value: unknown): string {
  const request = { type: "requested", data: { options: { [name]: value } } };
  const shown = (maskEvent(request).data as { readonly options: Options }).options[name];
  if (value === undefined) return `no ${name}, as in its last good run`;
  const written = JSON.stringify(shown);
  const isShown = !written.includes(MASK) && written.length <= maxValue;
  return isShown ? `${lineOf(name, shown)} of its last good run` : `${name} of its last good run`;
}

/** Maximum length of a value that is shown. */
const maxValue = 120;

function userText(user: string): string {
  return user === ""
    ? "a user of its own, as in its last good run"
    : visible(`user ${user} of its last good run`);
}

/**
 * Whether a recorded option is what a job file would have: sizes and durations are recorded in other units, blocks with
 * other names, and of long lists only a part. An option that is left out has its default.
 * @param name of the option in job files
 */
export function isPlain(name: string, value: unknown): boolean {
  if (value === undefined || typeof value === "boolean" || typeof value === "string") return true;
  if (name === "pids_limit") return typeof value === "number";
  if (!Array.isArray(value) || isShortened(value)) return false;
  return value.every((each) => ["string", "number"].includes(typeof each));
}

/** Without trials that are the same as the baseline, or as an earlier trial. */
function distinct(baseline: Setup, trials: readonly Trial[]): Trial[] {
  const seen = new Set([JSON.stringify(baseline)]);
  return trials.filter(({ setup }) => {
    const text = JSON.stringify(setup);
    if (seen.has(text)) return false;
    seen.add(text);
    return true;
  });
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
