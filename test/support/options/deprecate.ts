/** Deprecates an option for a test: its descriptor gets what a later version's would have. */
import { onTestFinished } from "vitest";
import { z } from "zod";
import type { Deprecation } from "../../../src/effects/options/deprecation.ts";

/** @param key the option in camel case. Its descriptor is as before when the test has finished */
export function deprecate(schema: z.ZodObject, key: string, deprecation: Deprecation): void {
  const field = schema.shape[key];
  if (!(field instanceof z.ZodType)) throw new Error(`there is no option ${key}`);
  const meta = field.meta() ?? {};
  z.globalRegistry.add(field, { ...meta, deprecation });
  onTestFinished(() => void z.globalRegistry.add(field, meta));
}
