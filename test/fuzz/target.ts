/** A fuzz target: a decoder of untrusted input, and properties that must hold for all bytes. */
import { DriverError, type ErrorCode } from "../../src/base/errors.ts";

export interface Target {
  /** Throws if the bytes show a defect. Catches the errors that the decoder may throw. */
  readonly fuzz: (bytes: Buffer) => void | Promise<void>;
  /** Valid inputs, from which the fuzzer makes others. */
  readonly seeds: () => Seeds | Promise<Seeds>;
}

type Seeds = readonly (Uint8Array | string)[];

/** The action's result, or undefined if it throws an error with one of the codes. @throws everything else */
export function allowing<T>(codes: readonly ErrorCode[], action: () => T): T | undefined {
  try {
    return action();
  } catch (thrown) {
    if (isAllowed(thrown, codes)) return undefined;
    throw thrown;
  }
}

/** `allowing` for asynchronous actions. */
export async function allowingLater<T>(
  codes: readonly ErrorCode[],
  action: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await action();
  } catch (thrown) {
    if (isAllowed(thrown, codes)) return undefined;
    throw thrown;
  }
}

function isAllowed(thrown: unknown, codes: readonly ErrorCode[]): boolean {
  return thrown instanceof DriverError && codes.includes(thrown.code);
}

/** @throws Error with the text unless the condition holds */
export function hold(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}
