/**
 * Declares the parameters of functions: converts values, and names the expected kind of value in errors.
 * Pure.
 */
import { type Fault, TemplateError } from "../../templateError.ts";
import { isList, isMap, kindOf, numberOf, textOf, type Value, type ValueMap } from "../values.ts";

/**
 * Takes evaluated parameters.
 * @throws TemplateError without the function's name and text, which the caller adds
 */
export type HclFunction = (parameters: readonly Value[]) => Value;

export type Functions = Readonly<Record<string, HclFunction>>;

export interface Parameter<T> {
  readonly expected: string;
  /** Undefined for a value that does not fit. */
  readonly read: (value: Value) => T | undefined;
}

export const anything: Parameter<Value> = { expected: "a value", read: (value) => value };
export const text: Parameter<string> = { expected: "a string", read: textOf };
export const number: Parameter<number> = { expected: "a number", read: numberOf };
export const whole: Parameter<number> = {
  expected: "a whole number",
  read: (value) => {
    const read = numberOf(value);
    return Number.isSafeInteger(read) ? read : undefined;
  },
};
export const list: Parameter<readonly Value[]> = {
  expected: "a list",
  read: (value) => (isList(value) ? value : undefined),
};
export const map: Parameter<ValueMap> = {
  expected: "a map",
  read: (value) => (isMap(value) ? value : undefined),
};
export const texts: Parameter<readonly string[]> = {
  expected: "a list of strings",
  read: (value) => {
    if (!isList(value)) return undefined;
    const items = value.map(textOf);
    return items.every((item) => item !== undefined) ? items : undefined;
  },
};

type Values<P extends readonly Parameter<unknown>[]> = {
  -readonly [K in keyof P]: P[K] extends Parameter<infer T> ? T : never;
};

/** A function with a fixed number of parameters. */
export function takes<const P extends readonly Parameter<unknown>[]>(
  parameters: P,
  work: (...values: Values<P>) => Value,
): HclFunction {
  return (values) => {
    if (values.length !== parameters.length) {
      fail(`it takes ${counted(parameters.length)}, but got ${values.length}`);
    }
    return work(...(parameters.map((each, index) => read(each, values, index)) as Values<P>));
  };
}

/** A function whose last parameter is given at least `min` times. */
export function takesMany<const P extends readonly Parameter<unknown>[], R>(
  parameters: P,
  rest: Parameter<R>,
  min: number,
  work: (...values: [...Values<P>, ...R[]]) => Value,
): HclFunction {
  return (values) => {
    const minCount = parameters.length + min;
    if (values.length < minCount) {
      fail(`it takes ${counted(minCount)} or more, but got ${values.length}`);
    }
    const all = values.map((_, index) => read(parameters[index] ?? rest, values, index));
    return work(...(all as [...Values<P>, ...R[]]));
  };
}

/** @throws TemplateError always; the caller adds the function's name */
export function fail(message: string, fault?: Fault): never {
  throw new TemplateError(message, "", fault);
}

function read<T>({ expected, read: convert }: Parameter<T>, values: readonly Value[], index: number): T {
  const value = values[index] ?? null;
  const converted = convert(value);
  if (converted !== undefined) return converted;
  return fail(`its ${ordinal(index)} parameter must be ${expected}, but it is ${kindOf(value)}`);
}

function counted(count: number): string {
  return count === 1 ? "one parameter" : count === 0 ? "no parameters" : `${count} parameters`;
}

function ordinal(index: number): string {
  return ["1st", "2nd", "3rd"][index] ?? `${index + 1}th`;
}
