/** `printf` of Go's templates, over the format verbs of HCL's functions. */
import { goFormat } from "../expressions/functions/goFormat.ts";
import type { Value } from "../expressions/values.ts";
import { type GoValue, goText, isList, isMap } from "./values.ts";

/** @throws TemplateError */
export function printf(format: string, values: readonly GoValue[]): string {
  return goFormat(format, ...values.map(plain));
}

/** Verbs format single values. Lists, maps and nil are formatted as Go prints them. */
function plain(value: GoValue): Value {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (isList(value) || isMap(value) || value === null) return goText(value);
  return value;
}
