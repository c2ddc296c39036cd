/**
 * Options that a later version will not have. The option's descriptor, the `meta` of its schema, says so; every place
 * that tells people of it asks here. Pure.
 */
import { z } from "zod";

/** In an option's `meta`. */
export interface Deprecation {
  /** The version with which the option began to be deprecated, such as `1.2.0`. */
  readonly since: string;
  /** What to do, as a clause: `use unveil`. */
  readonly instead: string;
}

declare module "zod" {
  interface GlobalMeta {
    deprecation?: Deprecation;
  }
}

/** Minor versions that still have the option after the one with which it was deprecated. */
export const keptMinors = 2;

/** @param field schema of the option */
export function deprecationOf(field: unknown): Deprecation | undefined {
  if (!(field instanceof z.ZodType)) return undefined;
  const own = field.meta()?.deprecation;
  if (own !== undefined) return own;
  return field instanceof z.ZodDefault || field instanceof z.ZodOptional
    ? deprecationOf(field.unwrap())
    : undefined;
}
