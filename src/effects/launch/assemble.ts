/** From a launch plan to the table of bytes that the runner carries out; table.ts tells the layout. Pure. */
import { type Architecture, systemCallNumber } from "../kernel/systemCalls.ts";
import {
  type Argument,
  type BufferName,
  bufferBytes,
  type EarlyPlan,
  type LatePlan,
  type Phase,
  type Plan,
  phases,
  type Step,
} from "./plan.ts";
import {
  BEGINNING_BYTES,
  EARLY_ADDRESS,
  ENTRY_BYTES,
  KEPT_BYTES,
  LATE_ADDRESS,
  MATCH_OFFSET,
  TABLE_ADDRESS,
  TABLE_BYTES,
  WORD_BYTES,
} from "./table.ts";
import { TableWriter } from "./tableWriter.ts";

/**
 * The table's bytes up to the rest, made for where the runner puts them.
 * @throws DriverError `LAUNCH_FAILED` where a path holds a NUL, or all of them do not fit
 */
export function assembleEarly({ steps }: Pick<EarlyPlan, "steps">, architecture: Architecture): Uint8Array {
  const addresses = addressesOf(steps);
  const kept = new TableWriter(TABLE_ADDRESS, KEPT_BYTES - BUFFERS_BYTES);
  writePart(kept, steps.supervise, addresses, architecture);
  const others = new TableWriter(EARLY_ADDRESS, BEGINNING_BYTES);
  writePart(others, [...steps.parent, ...steps.init, ...steps.abandoned], addresses, architecture);
  const table = new Uint8Array(KEPT_BYTES + others.bytes().length);
  table.set(kept.bytes());
  table.set(others.bytes(), KEPT_BYTES);
  return table;
}

/**
 * What belongs at `LATE_OFFSET` of the table.
 * @throws DriverError `LAUNCH_FAILED` where arguments and environment do not fit, or hold a NUL
 */
export function assembleLate({ steps }: LatePlan, architecture: Architecture): Uint8Array {
  const late = new TableWriter(LATE_ADDRESS, TABLE_ADDRESS + TABLE_BYTES - LATE_ADDRESS);
  writePart(late, [...steps.release, ...steps.task], addressesOf(steps), architecture);
  return late.bytes();
}

/** The step whose entry is at an address of the assembled plan; undefined where there is none. */
export function stepAt({ steps }: Plan, address: number): Step | undefined {
  const addresses = addressesOf(steps);
  for (const phase of phases) {
    const step = steps[phase][(address - addresses[phase]) / ENTRY_BYTES];
    if (step !== undefined) return step;
  }
  return undefined;
}

/** Addresses of the first entry of each phase, as far as they hang on the phases that are given. */
function addressesOf(steps: Partial<Plan["steps"]>): Readonly<Record<Phase, number>> {
  const after = (address: number, phase: Phase) => address + (steps[phase]?.length ?? 0) * ENTRY_BYTES;
  const init = after(EARLY_ADDRESS, "parent");
  return {
    parent: EARLY_ADDRESS,
    init,
    abandoned: after(init, "init"),
    release: LATE_ADDRESS,
    task: after(LATE_ADDRESS, "release"),
    supervise: TABLE_ADDRESS,
  };
}

/** At the end of what init keeps, so that every part knows where. */
const bufferAddresses: Readonly<Record<BufferName, number>> = {
  waitStatus: TABLE_ADDRESS + KEPT_BYTES - bufferBytes.waitStatus,
  identity: TABLE_ADDRESS + KEPT_BYTES - bufferBytes.waitStatus - bufferBytes.identity,
};
const BUFFERS_BYTES = bufferBytes.waitStatus + bufferBytes.identity;

const ARGUMENTS_AT = WORD_BYTES;

function writePart(
  table: TableWriter,
  steps: readonly Step[],
  addresses: Readonly<Record<Phase, number>>,
  architecture: Architecture,
): void {
  let address = table.reserveWords((steps.length * ENTRY_BYTES) / WORD_BYTES);
  for (const step of steps) {
    table.writeWord(address, systemCallNumber(step.call, architecture));
    writeWords(table, address + ARGUMENTS_AT, argumentWords(step, table));
    writeWords(table, address + MATCH_OFFSET, successors(step, address, addresses));
    address += ENTRY_BYTES;
  }
}

function writeWords(table: TableWriter, address: number, words: readonly number[]): void {
  for (let index = 0; index < words.length; index++) {
    table.writeWord(address + index * WORD_BYTES, words[index] as number);
  }
}

/** Those that a call does not have are zeros, as all memory of the table is. */
function argumentWords({ args }: Step, table: TableWriter): number[] {
  return args.map((argument) => argumentWord(argument, table));
}

function argumentWord(argument: Argument, table: TableWriter): number {
  if (typeof argument === "number") return argument;
  if (typeof argument === "string") return table.addString(argument);
  switch (argument.kind) {
    case "flags":
      return argument.value;
    case "bytes":
      return table.addBytes(argument.bytes);
    case "strings":
      return table.addStrings(argument.strings);
    case "place":
      return bufferAddresses[argument.buffer] + argument.offset;
  }
}

/** `match`, `onMatch`, `onError` and `next` of an entry. */
function successors(
  { flow }: Step,
  here: number,
  addresses: Readonly<Record<Phase, number>>,
): [number, number, number, number] {
  const next = here + ENTRY_BYTES;
  const addressOf = (phase: Phase | "next") => (phase === "next" ? next : addresses[phase]);
  switch (flow?.kind) {
    case undefined:
      return [0, next, REPORT, next];
    case "tolerateErrors":
      return [0, next, next, next];
    case "fork":
      return [0, addressOf(flow.child), REPORT, addressOf(flow.parent)];
    case "endOfFile":
      return [0, addressOf(flow.ended), REPORT, addressOf(flow.otherwise)];
    case "repeatUntil":
      return [flow.result, next, REPORT, here];
    case "repeatUntilTask":
      // No process has the number 0: the kernel writes the right one as it forks the task.
      return [0, next, REPORT, here];
    case "repeatUntilError":
      return [0, here, next, here];
  }
}

/** No entry: the runner reports the error and ends the process. */
const REPORT = 0;
