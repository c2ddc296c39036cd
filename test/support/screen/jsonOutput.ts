/** What verbs print with --json, against docs/schemas. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { z } from "zod";

const folder = join(import.meta.dirname, "../../../docs/schemas");
const read = (file: string) => JSON.parse(readFileSync(join(folder, file), "utf8"));
const outputs: Readonly<Record<string, z.core.JSONSchema.JSONSchema>> = read("json.schema.json").$defs;
const events: z.core.JSONSchema.JSONSchema = read("events.schema.json");

/**
 * Expects JSON that fits the schema of an output, as a whole or line by line.
 * @param output the verb and the option with which it prints this, as the schema names it; or `events`
 * @returns the number of objects
 */
export function expectToFit(output: string, stdout: string): number {
  const schema = output === "events" ? events : outputs[output];
  if (schema === undefined) throw new Error(`there is no schema of ${output}`);
  const check = z.fromJSONSchema(schema);
  const values = valuesIn(stdout);
  for (const value of values) {
    const { error } = check.safeParse(value);
    expect(error && z.prettifyError(error), `${output}: ${JSON.stringify(value)}`).toBeUndefined();
  }
  return values.length;
}

function valuesIn(stdout: string): unknown[] {
  try {
    return [JSON.parse(stdout)];
  } catch {
    const lines = stdout.split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line));
  }
}
