/** Assembles a launch plan to the table that the runner executes; table.ts documents the layout. Pure. */
import { type Architecture, systemCallNumber } from "../../systemCalls.ts";
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
  EARLY_ADDRESS,
  EARLY_BYTES,
  ENTRY_BYTES,
  KEPT_BYTES,
  LATE_ADDRESS,
  MATCH_OFFSET,
  NAME_BYTES,
  NAME_OFFSET,
  TABLE_ADDRESS,
  TABLE_BYTES,
  WORD_BYTES,
} from "./table.ts";
import { TableWriter } from "./tableWriter.ts";

/**
 * Assembles the table's first two parts, for the addresses where the runner puts them.
 * @throws DriverError `LAUNCH_FAILED` if a path contains a NUL, or the paths do not fit
 */
export function assembleEarly(
  { initName, steps }: Pick<EarlyPlan, "initName" | "steps">,
  architecture: Architecture,
): Uint8Array {
  const addresses = addressesOf(steps);
  const kept = new TableWriter(TABLE_ADDRESS, NAME_OFFSET - BUFFERS_BYTES);
  writePart(kept, steps.supervise, addresses, architecture);
  const early = new TableWriter(EARLY_ADDRESS, EARLY_BYTES);
  writePart(early, [...steps.parent, ...steps.init, ...steps.abandoned], addresses, architecture);
  const table = new Uint8Array(KEPT_BYTES + early.bytes().length);
  table.set(kept.bytes());
  table.set(nameBytes(initName), NAME_OFFSET);
  table.set(early.bytes(), KEPT_BYTES);
  return table;
}

/**
 * Assembles the part at `LATE_OFFSET` of the table's file.
 * @throws DriverError `LAUNCH_FAILED` if arguments and environment do not fit, or contain a NUL
 */
export function assembleLate({ steps }: LatePlan, architecture: Architecture): Uint8Array {
  const late = new TableWriter(LATE_ADDRESS, TABLE_ADDRESS + TABLE_BYTES - LATE_ADDRESS);
  writePart(late, [...steps.release, ...steps.task], addressesOf(steps), architecture);
  return late.bytes();
}

/** The step whose entry is at an address of the assembled plan; undefined if there is none. */
export function stepAt({ steps }: Plan, address: number): Step | undefined {
  const addresses = addressesOf(steps);
  for (const phase of phases) {
    const step = steps[phase][(address - addresses[phase]) / ENTRY_BYTES];
    if (step !== undefined) return step;
  }
  return undefined;
}

/** Address of the first entry of each phase. It depends only on phases of the same part of the table. */
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

/** Before the name, so that their addresses do not depend on the plan. */
const bufferAddresses: Readonly<Record<BufferName, number>> = {
  waitStatus: TABLE_ADDRESS + NAME_OFFSET - bufferBytes.waitStatus,
  identity: TABLE_ADDRESS + NAME_OFFSET - bufferBytes.waitStatus - bufferBytes.identity,
};
const BUFFERS_BYTES = bufferBytes.waitStatus + bufferBytes.identity;

/**
 * The memory of a process's arguments, with one argument: proc_pid_cmdline(5). If its last byte is not NUL, the
 * kernel shows what is before the first NUL.
 */
function nameBytes(name: string): Uint8Array {
  const memory = new Uint8Array(NAME_BYTES);
  memory.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES - 2));
  memory[NAME_BYTES - 1] = 1;
  return memory;
}

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

/** The arguments that a call does not have stay zero. */
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
    case "filter":
      return table.addFilter(argument.filter.program);
    case "message":
      return table.addMessage(argument.descriptors);
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
      // 0 is no process's pid. The kernel replaces it with the task's pid at the fork.
      return [0, next, REPORT, here];
    case "repeatUntilError":
      return [0, here, next, here];
    case "goTo":
      return [0, addressOf(flow.phase), REPORT, addressOf(flow.phase)];
  }
}

/** Instead of an entry's address: the runner reports the error and ends the process. */
const REPORT = 0;
