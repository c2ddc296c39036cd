/** What verbs print for programs. Pure. */
import { visibleJson } from "../../units/visible.ts";

/**
 * The text of what a verb prints with `--json`.
 * @param _output the verb, and the option with which it prints this. `npm run generate` reads it and the type of the
 *   value from the calls: they are docs/schemas/json.schema.json
 */
export function jsonOf<const Value>(_output: string, value: Value, indent?: number): string {
  return visibleJson(value, indent);
}
