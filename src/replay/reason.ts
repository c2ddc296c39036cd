/** Why a machine did not take an event. Pure. */
import { z } from "zod";
import { messageOf } from "../errors.ts";

/** One line for each invalid field, for errors of zod. Another version's machine may bring its own zod. */
export function reasonOf(thrown: unknown): string {
  const { issues } = (thrown ?? {}) as { readonly issues?: z.core.$ZodIssue[] };
  return Array.isArray(issues) ? z.prettifyError({ issues } as z.core.$ZodError) : messageOf(thrown);
}
