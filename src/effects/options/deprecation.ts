/**
 * Options that a later version will not have. The descriptor of an option, the `meta` of its schema, says so. What
 * tells people of it asks here: a task's start, the plugin's configuration, the verbs `doctor` and `validate`, the
 * documentation. Pure.
 */
import { z } from "zod";
import { hclName } from "./hclOptions.ts";

/** In an option's `meta`. */
export interface Deprecation {
  /** The version from which on the option is deprecated, such as `1.2.0`. */
  readonly since: string;
  /** What to do, as a clause: `use unveil`. */
  readonly instead: string;
}

declare module "zod" {
  interface GlobalMeta {
    deprecation?: Deprecation;
  }
}

/** A deprecated option is in at least this many minor versions, the one from which on it is deprecated among them. */
export const keptMinors = 2;

export interface DeprecatedOption extends Deprecation {
  /** Its name in HCL. */
  readonly option: string;
}

/**
 * The deprecated ones of an owner's options.
 * @param names of options in HCL; others than the schema's are left out
 */
export function deprecatedAmong(schema: z.ZodObject, names: Iterable<string>): readonly DeprecatedOption[] {
  const used = new Set(names);
  return Object.entries(schema.shape).flatMap(([key, field]) => {
    const option = hclName(key);
    const deprecation = used.has(option) ? deprecationOf(field) : undefined;
    return deprecation === undefined ? [] : [{ option, ...deprecation }];
  });
}

/** Whether any option is deprecated. */
export function hasDeprecated(schema: z.ZodObject): boolean {
  return Object.values(schema.shape).some((field) => deprecationOf(field) !== undefined);
}

/** Continues the option's name. */
export function deprecationText({ since, instead }: Deprecation): string {
  return `deprecated since ${since}: ${instead}`;
}

/** @param field schema of the option */
export function deprecationOf(field: unknown): Deprecation | undefined {
  return metaOf(field).deprecation;
}

/** The `meta` of an option, which takes precedence over the `meta` of the type that the option wraps. */
export function metaOf(field: unknown): z.GlobalMeta {
  if (!(field instanceof z.ZodType)) return {};
  const inner = field instanceof z.ZodDefault || field instanceof z.ZodOptional ? metaOf(field.unwrap()) : {};
  return { ...inner, ...field.meta() };
}
