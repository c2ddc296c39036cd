/** JSON as Go writes it. */
import { isList, keysOf, numberText, type Value } from "../values.ts";

/** With sorted keys, and with `<`, `>` and `&` escaped. */
export function toJson(value: Value): string {
  if (typeof value === "string") {
    return JSON.stringify(value).replaceAll(
      /[<>&\u2028\u2029]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  }
  if (typeof value === "number") return numberText(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (isList(value)) return `[${value.map(toJson).join(",")}]`;
  return `{${keysOf(value)
    .map((key) => `${toJson(key)}:${toJson(value[key] as Value)}`)
    .join(",")}}`;
}
