/**
 * What the options of a task and of the plugin are made of: kinds of options, the zod schemas that options are
 * built from; and what a part of a launch says about its options, of which sums make them. A message completes a
 * sentence that begins `option "name"`. No message repeats an argument of the task's command, because arguments
 * may hold secrets. The documentation of an option is its schema's `meta`: a description, and a valid value as
 * an example. Pure.
 */

import { z } from "zod";
import { DriverError } from "../../base/errors.ts";
import { parseAnySize } from "../../units/sizes.ts";
import { hclName } from "./hclOptions.ts";
import type { OptionProblem } from "./optionProblem.ts";

// Otherwise zod generates and compiles a function for each object, which a plugin does not use often enough: 7 ms of
// each launch.
z.config({ jitless: true });

export const flag = () => z.boolean(mustBe("true or false"));

export const wholeNumber = () =>
  z.number(mustBe("a number")).refine(Number.isInteger, "must be a whole number");

/**
 * MiB: a number of them, or a size with its unit, which may be a fraction of a MiB. The hclspec declares a string, into
 * which a client converts a number.
 */
export const mebibytes = () => z.preprocess(mebibytesIn, z.number());

/** MiB from 1 to `most`. */
export const mebibytesUpTo = (most: number) =>
  mebibytes().refine(
    (size) => size >= 1 && size <= most,
    `must be from 1 to ${most}, in MiB, or ${sizeWithUnit}`,
  );

/** Continues what a size may be without a unit. */
export const sizeWithUnit = 'a size with its unit, such as "64MB" or "64MiB"';

function mebibytesIn(value: unknown, context: z.core.$RefinementCtx): unknown {
  const bytes = typeof value === "string" ? parseAnySize(value) : undefined;
  if (bytes !== undefined) return bytes / 2 ** 20;
  const number = typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number)) return number;
  const found = typeof value === "object" ? typeOf(value) : JSON.stringify(value);
  context.addIssue(`must be a whole number of MiB, or ${sizeWithUnit}, not ${found}`);
  return z.NEVER;
}

/** A string without NUL bytes. For the kernel, a NUL byte ends a string. */
export const text = () => z.string(mustBe("a string")).refine(withoutNul, "must not contain a NUL byte");

export const absolutePath = () =>
  text().refine((path) => path.startsWith("/"), "must be an absolute path, one that begins with /");

export const list = <Entry extends z.ZodType>(entry: Entry, of = "strings") =>
  z.array(entry, mustBe(`a list of ${of}`));

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: () => `must be ${values.map((value) => JSON.stringify(value)).join(" or ")}` });

/** Blocks of names and values, which are merged. */
export function textBlocks(
  of: string,
  problemOf: (name: string, value: string) => OptionProblem | undefined,
) {
  const block = z.record(z.string(), text(), mustBe(`a block of ${of}`));
  return z.array(block, mustBe(`a block of ${of}`)).superRefine((blocks, context) => {
    for (const [name, value] of eachOnce(blocks, context)) addProblem(context, problemOf(name, value));
  });
}

/** The entries of all blocks. A repeated name is a problem. */
export function eachOnce<Value>(
  blocks: readonly Readonly<Record<string, Value>>[],
  context: z.core.$RefinementCtx,
): [string, Value][] {
  const entries = blocks.flatMap((each) => Object.entries(each));
  const names = entries.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) context.addIssue(`has ${JSON.stringify(twice)} twice`);
  return entries;
}

/** A text that a function checks. */
export function checkedText(problemOf: (value: string) => OptionProblem | undefined) {
  return text().superRefine((value, context) => addProblem(context, problemOf(value)));
}

/** @param path where in the value it is, such as the index of an entry */
export function addProblem(
  context: z.core.$RefinementCtx,
  problem: OptionProblem | undefined,
  path: PropertyKey[] = [],
): void {
  if (problem === undefined) return;
  context.addIssue({ code: "custom", message: problem.message, params: { hint: problem.hint }, path });
}

/** The error for a value of another type. */
export function mustBe(what: string) {
  return {
    error: ({ input }: { readonly input?: unknown }) =>
      input === undefined ? "is missing" : `must be ${what}, not ${typeOf(input)}`,
  };
}

function withoutNul(value: string): boolean {
  return !value.includes("\0");
}

function typeOf(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a map" : `a ${typeof value}`;
}

export type Shape = z.core.$ZodLooseShape;

/** The values of options. */
export type Values<S extends Shape> = Readonly<z.output<z.ZodObject<S>>>;

/** Options of a part. Their schemas are made at their first use, because a plugin's launch needs none. */
export interface PartOptions {
  readonly task: () => Shape;
  readonly plugin: () => Shape;
}

export type TaskValues<Part extends PartOptions> = Values<ReturnType<Part["task"]>>;
export type PluginValues<Part extends PartOptions> = Values<ReturnType<Part["plugin"]>>;

/**
 * The options of all parts. An option that two parts have would override the other silently, so it does not
 * compile.
 */
export function sum<const Parts extends readonly Shape[]>(parts: Parts & Distinct<Parts>): Sum<Parts> {
  return Object.assign({}, ...parts);
}

type Sum<Parts extends readonly Shape[]> = Parts extends readonly [
  infer First extends Shape,
  ...infer Rest extends readonly Shape[],
]
  ? First & Sum<Rest>
  : unknown;

/** Never, if two of the parts have an option of the same name. */
type Distinct<Parts extends readonly Shape[], Known = never> = Parts extends readonly [
  infer First extends Shape,
  ...infer Rest extends readonly Shape[],
]
  ? keyof First & Known extends never
    ? Distinct<Rest, Known | keyof First>
    : never
  : unknown;

/**
 * A limit that the plugin and a task have by the same name: the task's, or the plugin's if the task has none.
 * @param option in camel case
 * @param allowed the plugin's; `Infinity` for no limit
 * @param textOf the limit as the error shows it
 * @throws DriverError `CONFIG_INVALID` if the task's is higher
 */
export function limitWithin(
  option: string,
  limit: number | undefined,
  allowed: number,
  textOf: (limit: number) => string = String,
): number {
  if (limit === undefined || limit <= allowed) return limit ?? allowed;
  const name = hclName(option);
  const requested = limit === Infinity ? "without a limit" : textOf(limit);
  throw new DriverError(
    "CONFIG_INVALID",
    `The task's config has option "${name}" ${requested}, but this client allows ${textOf(allowed)}`,
    { option: name, hint: `Lower it, or raise ${name} in the client's plugin block of this driver` },
  );
}

/**
 * @param option the option of the task, in camel case
 * @param permission the option of the plugin that allows it
 * @throws DriverError `CONFIG_INVALID`
 */
export function refuseUnlessAllowed<Permission extends string>(
  option: string,
  isUsed: boolean,
  permission: Permission,
  plugin: { readonly [name in Permission]: boolean },
): void {
  if (!isUsed || plugin[permission]) return;
  const name = hclName(option);
  throw new DriverError("CONFIG_INVALID", notAllowed(name), {
    option: name,
    hint: `Remove it, or set ${hclName(permission)} = true in the client's plugin block of this driver`,
  });
}

/** The error for an option of the task that the plugin block does not allow. */
export function notAllowed(name: string): string {
  return `The task's config has option "${name}", which this client does not allow`;
}
