/** From a launch plan to the table of bytes that the runner carries out; table.ts tells the layout. Pure. */
import { type Architecture, systemCallNumber } from "../kernel/systemCalls.ts";
import {
  type Argument,
  type BufferName,
  bufferBytes,
  type LaunchPlan,
  type Phase,
  phases,
  type Step,
} from "./plan.ts";
import { ARGUMENTS, ENTRY_BYTES, REST_ADDRESS, TABLE_ADDRESS, WORD_BYTES } from "./table.ts";
import { TableWriter } from "./tableWriter.ts";

/**
 * The table's bytes, made for where the runner puts them.
 * @throws DriverError `LAUNCH_FAILED` where arguments and environment do not fit, or hold a NUL
 */
export function assemblePlan(plan: LaunchPlan, architecture: Architecture): Uint8Array {
  const layout = layOut(plan);
  const table = new TableWriter(layout.data);
  for (const phase of phases) {
    let address = layout.phases[phase];
    for (const step of plan.steps[phase]) {
      table.writeWord(address, systemCallNumber(step.call, architecture));
      writeWords(table, address + ARGUMENTS_AT, argumentWords(step, layout, table));
      writeWords(table, address + SUCCESSORS_AT, successors(step, address, layout));
      address += ENTRY_BYTES;
    }
  }
  return table.bytes();
}

const ARGUMENTS_AT = WORD_BYTES;
const SUCCESSORS_AT = ARGUMENTS_AT + ARGUMENTS * WORD_BYTES;

function writeWords(table: TableWriter, address: number, words: readonly number[]): void {
  for (let index = 0; index < words.length; index++) {
    table.writeWord(address + index * WORD_BYTES, words[index] as number);
  }
}

/** The step whose entry is at an address of the assembled plan; undefined where there is none. */
export function stepAt(plan: LaunchPlan, address: number): Step | undefined {
  const layout = layOut(plan);
  for (const phase of phases) {
    const step = plan.steps[phase][(address - layout.phases[phase]) / ENTRY_BYTES];
    if (step !== undefined) return step;
  }
  return undefined;
}

/** Addresses that are known before anything is written. */
interface Layout {
  /** Of the first entry of each phase. */
  readonly phases: Readonly<Record<Phase, number>>;
  readonly buffers: Readonly<Record<BufferName, number>>;
  /** Where strings and structs begin. */
  readonly data: number;
}

function layOut({ steps }: LaunchPlan): Layout {
  const supervise = TABLE_ADDRESS;
  const outside = REST_ADDRESS;
  const init = outside + steps.outside.length * ENTRY_BYTES;
  const task = init + steps.init.length * ENTRY_BYTES;
  const identity = task + steps.task.length * ENTRY_BYTES;
  return {
    phases: { outside, init, task, supervise },
    buffers: { waitStatus: supervise + steps.supervise.length * ENTRY_BYTES, identity },
    data: identity + bufferBytes.identity,
  };
}

/** Those that a call does not have are zeros, as all memory of the table is. */
function argumentWords({ args }: Step, layout: Layout, table: TableWriter): number[] {
  return args.map((argument) => argumentWord(argument, layout, table));
}

function argumentWord(argument: Argument, { buffers }: Layout, table: TableWriter): number {
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
      return buffers[argument.buffer] + argument.offset;
  }
}

/** `match`, `onMatch`, `onError` and `next` of an entry. */
function successors({ flow }: Step, here: number, layout: Layout): [number, number, number, number] {
  const next = here + ENTRY_BYTES;
  switch (flow?.kind) {
    case undefined:
      return [0, next, REPORT, next];
    case "tolerateErrors":
      return [0, next, next, next];
    case "fork":
      return [
        0,
        layout.phases[flow.child],
        REPORT,
        flow.parent === "next" ? next : layout.phases[flow.parent],
      ];
    case "repeatUntil":
      return [flow.result, next, REPORT, here];
    case "repeatUntilError":
      return [0, here, next, here];
  }
}

/** No entry: the runner reports the error and ends the process. */
const REPORT = 0;
