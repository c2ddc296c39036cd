/** Why a machine did not take an event. Pure. */
import { z } from "zod";
import { messageOf } from "../errors.ts";

/** A line for each wrong field, where that is the matter. The machine may bring a zod of its own. */
export function reasonOf(thrown: unknown): string {
  const { issues } = (thrown ?? {}) as { readonly issues?: z.core.$ZodIssue[] };
  return Array.isArray(issues) ? z.prettifyError({ issues } as z.core.$ZodError) : messageOf(thrown);
}
