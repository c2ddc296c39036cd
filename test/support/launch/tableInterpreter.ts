/** The runner in TypeScript. It executes an assembled plan with a simulated kernel. */
import { CLONE_PARENT_SETTID } from "../../../src/effects/kernel/constants.ts";
import { type Architecture, systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import { assembleEarly, assembleLate } from "../../../src/effects/plan/assemble.ts";
import type { EarlyPlan, Plan } from "../../../src/effects/plan/plan.ts";
import {
  EARLY_ADDRESS,
  ENTRY_BYTES,
  KEPT_BYTES,
  LATE_ADDRESS,
  LATE_OFFSET,
  TABLE_ADDRESS,
  TABLE_BYTES,
  WORD_BYTES,
} from "../../../src/effects/plan/table.ts";

/** A system call with its arguments. */
export interface Call {
  /** Address of the entry. */
  readonly entry: number;
  readonly number: number;
  readonly args: readonly number[];
}

export interface Outcome {
  readonly calls: readonly Call[];
  /** The entry at which the process ended with a reported error, and the error number. */
  readonly failure: { readonly entry: number; readonly errno: number } | undefined;
}

/** The table's file with the whole plan. */
export function assemblePlan(
  plan: Plan & Partial<Pick<EarlyPlan, "initName" | "loggerState">>,
  architecture: Architecture,
): Uint8Array {
  const rest = assembleLate(plan, architecture);
  const table = new Uint8Array(LATE_OFFSET + rest.length);
  table.set(assembleEarly({ initName: "", ...plan }, architecture));
  table.set(rest, LATE_OFFSET);
  return table;
}

/** Memory of the runner, once it and init have read the table. */
export class Memory {
  readonly #bytes = new Uint8Array(TABLE_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(table: Uint8Array) {
    this.#bytes.set(table.subarray(0, KEPT_BYTES));
    this.#bytes.set(table.subarray(KEPT_BYTES, LATE_OFFSET), EARLY_ADDRESS - TABLE_ADDRESS);
    this.#bytes.set(table.subarray(LATE_OFFSET), LATE_ADDRESS - TABLE_ADDRESS);
  }

  word(address: number): number {
    return Number(this.#view.getBigInt64(address - TABLE_ADDRESS, true));
  }

  bytes(address: number, length: number): Uint8Array {
    return this.#bytes.slice(address - TABLE_ADDRESS, address - TABLE_ADDRESS + length);
  }

  string(address: number): string {
    const begin = address - TABLE_ADDRESS;
    const end = this.#bytes.indexOf(0, begin);
    if (begin < 0 || end < 0) throw new RangeError(`no string at ${address}`);
    return new TextDecoder().decode(this.#bytes.subarray(begin, end));
  }

  /** A null-terminated array of strings. */
  strings(address: number): string[] {
    const pointer = this.word(address);
    return pointer === 0 ? [] : [this.string(pointer), ...this.strings(address + WORD_BYTES)];
  }

  /** Writes the child's pid as clone3(2) does in the parent with CLONE_PARENT_SETTID. */
  setParentTid(attributes: number, child: number): void {
    const flags = this.word(attributes);
    const parentTid = this.word(attributes + 3 * WORD_BYTES);
    if ((flags & CLONE_PARENT_SETTID) === 0) return;
    this.#view.setInt32(parentTid - TABLE_ADDRESS, child, true);
  }

  call(entry: number): Call {
    const words = Array.from({ length: ENTRY_BYTES / WORD_BYTES }, (_, n) =>
      this.word(entry + n * WORD_BYTES),
    );
    return { entry, number: words[0] as number, args: words.slice(1, 7) };
  }
}

const clone3 = systemCallNumber("clone3", "x64");

/**
 * Executes the table from the runner's first entry.
 * @param kernel returns a call's result, or a negative error number; undefined if the call does not return
 */
export function interpret(table: Uint8Array, kernel: (call: Call) => number | undefined): Outcome {
  const memory = new Memory(table);
  const calls: Call[] = [];
  let entry = EARLY_ADDRESS;
  for (;;) {
    const call = memory.call(entry);
    const [match, onMatch, onError, next] = [7, 8, 9, 10].map((n) => memory.word(entry + n * WORD_BYTES));
    calls.push(call);
    const result = kernel(call);
    if (result === undefined) return { calls, failure: undefined };
    if (call.number === clone3 && result > 0) memory.setParentTid(call.args[0] as number, result);
    if (result === match) entry = onMatch as number;
    else if (result >= 0) entry = next as number;
    else if (onError === 0) return { calls, failure: { entry, errno: -result } };
    else entry = onError as number;
  }
}
