/** HCL2's functions for numbers. Pure. */
import { type Functions, fail, number, takes, takesMany, text, whole } from "./define.ts";

export const numberFunctions: Functions = {
  abs: takes([number], Math.abs),
  ceil: takes([number], Math.ceil),
  floor: takes([number], Math.floor),
  log: takes([number, number], (value, base) => finite(Math.log(value) / Math.log(base))),
  max: takesMany([], number, 1, Math.max),
  min: takesMany([], number, 1, Math.min),
  parseint: takes([text, whole], parseint),
  pow: takes([number, number], (base, exponent) => finite(base ** exponent)),
  signum: takes([number], Math.sign),
};

function finite(value: number): number {
  return Number.isFinite(value) ? value : fail("it has no value for these numbers");
}

const digits = "0123456789abcdefghijklmnopqrstuvwxyz";

function parseint(value: string, base: number): number {
  if (base < 2 || base > 36) fail("its base must be from 2 to 36");
  const [, sign, body = ""] = /^([+-]?)(.+)$/s.exec(value) ?? [];
  const known = digits.slice(0, base);
  const fits = body !== "" && [...body.toLowerCase()].every((digit) => known.includes(digit));
  if (!fits) fail(`its text is not a whole number in base ${base}`);
  const parsed = Number.parseInt(body, base);
  return sign === "-" && parsed !== 0 ? -parsed : parsed;
}
