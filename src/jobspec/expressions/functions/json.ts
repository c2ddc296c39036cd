/** JSON as Go writes it. */
import { isList, keysOf, numberText, type Value } from "../values.ts";

/** Writes JSON with sorted keys and escapes. */
export function toJson(value: Value): string {
  if (typeof value === "string") return escapeJson(JSON.stringify(value));
  if (typeof value === "number") return numberText(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (isList(value)) return `[${value.map(toJson).join(",")}]`;
  return `{${keysOf(value)
    .map((key) => `${toJson(key)}:${toJson(value[key] as Value)}`)
    .join(",")}}`;
}

/** Escapes what Go's encoding/json escapes by default, so that JSON can stand in HTML. */
export function escapeJson(json: string): string {
  return json.replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
