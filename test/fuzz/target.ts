/** What a fuzz target is: a decoder of foreign bytes, and what has to hold whatever the bytes are. */
import { DriverError, type ErrorCode } from "../../src/errors.ts";

export interface Target {
  /** Throws if the bytes show a defect. What the decoder may throw does not leave this function. */
  readonly fuzz: (bytes: Buffer) => void | Promise<void>;
  /** Bytes that mean something, from which others are made. */
  readonly seeds: () => Seeds | Promise<Seeds>;
}

type Seeds = readonly (Uint8Array | string)[];

/** What an action returns; undefined if it throws an error with one of the codes. @throws everything else */
export function allowing<T>(codes: readonly ErrorCode[], action: () => T): T | undefined {
  try {
    return action();
  } catch (thrown) {
    if (isAllowed(thrown, codes)) return undefined;
    throw thrown;
  }
}

/** The same for what ends later. */
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
