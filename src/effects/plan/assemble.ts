/** Assembles a launch plan into the table that the runner executes. table.ts documents the layout. Pure. */
import { type Architecture, systemCallNumber } from "../kernel/systemCalls.ts";
import {
  type Argument,
  type BufferName,
  bufferBytes,
  type EarlyPlan,
  earlyPhases,
  type Flow,
  type LatePlan,
  latePhases,
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
  LOGGER_CODE_ADDRESS,
  LOGGER_STATE_OFFSET,
  MATCH_OFFSET,
  NAME_BYTES,
  NAME_OFFSET,
  TABLE_ADDRESS,
  TABLE_BYTES,
  TableWriter,
  UNVEIL_ADDRESS,
  WORD_BYTES,
} from "./table.ts";

/** What the table's first two parts consist of. */
export type EarlyTable = Pick<EarlyPlan, "initName" | "steps"> & Partial<Pick<EarlyPlan, "loggerState">>;

/**
 * Assembles the table's first two parts, for the addresses to which the runner reads them.
 * @throws DriverError `LAUNCH_FAILED` if a path contains a NUL, or the paths do not fit
 */
export function assembleEarly(
  { initName, steps, loggerState }: EarlyTable,
  architecture: Architecture,
): Uint8Array {
  const addresses = addressesOf(steps);
  const kept = new TableWriter(TABLE_ADDRESS, LOGGER_STATE_OFFSET);
  writePart(kept, steps, ["supervise"], addresses, architecture);
  const early = earlyPart(steps, architecture);
  const unveil = unveilPart(steps.unveil, addresses, architecture);
  if (unveil.length > 0 && early.length > UNVEIL_OFFSET)
    return assembleEarly({ initName, loggerState, steps: unveilInInit(steps) }, architecture);
  const length = unveil.length > 0 ? UNVEIL_OFFSET + unveil.length : early.length;
  const table = new Uint8Array(KEPT_BYTES + length);
  table.set(kept.bytes());
  if (loggerState !== undefined) table.set(loggerState, LOGGER_STATE_OFFSET);
  table.set(nameBytes(initName), NAME_OFFSET);
  table.set(early, KEPT_BYTES);
  if (unveil.length > 0) table.set(unveil, KEPT_BYTES + UNVEIL_OFFSET);
  return table;
}

const UNVEIL_OFFSET = UNVEIL_ADDRESS - EARLY_ADDRESS;

/** The early phases that are in one piece: without `unveil`, and without what init keeps. */
const earlyPieces = earlyPhases.filter((phase) => phase !== "unveil" && phase !== "supervise");

/** The early phases without `unveil`. */
function earlyPart(steps: Partial<Plan["steps"]>, architecture: Architecture): Uint8Array {
  const early = new TableWriter(EARLY_ADDRESS, EARLY_BYTES);
  writePart(early, steps, earlyPieces, addressesOf(steps), architecture);
  return early.bytes();
}

/**
 * Appends the phase `unveil` to `init`, for plans with so many mounts that `unveil` does not fit at its usual
 * address.
 */
function unveilInInit<Steps extends Pick<Plan["steps"], "init" | "unveil">>(steps: Steps): Steps {
  return { ...steps, init: [...steps.init, ...steps.unveil], unveil: [] };
}

/** Assembled steps of the phase `unveil`, by the address at which the plan continues after them. */
const unveilParts = new WeakMap<readonly Step[], Map<string, Uint8Array>>();
/** The address depends on the number of mounts, which differs between launches. */
const maxParts = 16;

function unveilPart(
  unveil: readonly Step[],
  addresses: Readonly<Record<Phase, number>>,
  architecture: Architecture,
): Uint8Array {
  if (unveil.length === 0) return new Uint8Array();
  const key = `${architecture} ${addresses.held}`;
  const parts = unveilParts.get(unveil) ?? new Map<string, Uint8Array>();
  unveilParts.set(unveil, parts);
  const assembled = parts.get(key);
  if (assembled !== undefined) return assembled;
  const writer = new TableWriter(UNVEIL_ADDRESS, EARLY_BYTES - (UNVEIL_ADDRESS - EARLY_ADDRESS));
  writePart(writer, { unveil }, ["unveil"], addresses, architecture);
  if (parts.size === maxParts) parts.clear();
  parts.set(key, writer.bytes());
  return writer.bytes();
}

/**
 * Assembles the part at `LATE_OFFSET` of the table's file.
 * @throws DriverError `LAUNCH_FAILED` if arguments and environment do not fit, or contain a NUL
 */
export function assembleLate({ steps }: LatePlan, architecture: Architecture): Uint8Array {
  const late = new TableWriter(LATE_ADDRESS, TABLE_ADDRESS + TABLE_BYTES - LATE_ADDRESS);
  writePart(late, steps, latePhases, addressesOf(steps), architecture);
  return late.bytes();
}

/** The step whose entry is at an address of the assembled plan; undefined if there is none. */
export function stepAt(plan: Plan, address: number): Step | undefined {
  const fits = plan.steps.unveil.length === 0 || earlyPart(plan.steps, "x64").length <= UNVEIL_OFFSET;
  const steps = fits ? plan.steps : unveilInInit(plan.steps);
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
  const held = after(init, "init");
  const abandoned = after(held, "held");
  const logger = after(abandoned, "abandoned");
  const relay = after(logger, "logger");
  const relaying = after(relay, "relay");
  const stalled = after(relaying, "relaying");
  const task = after(LATE_ADDRESS, "rest");
  return {
    parent: EARLY_ADDRESS,
    init,
    unveil: steps.unveil?.length ? UNVEIL_ADDRESS : held,
    held,
    abandoned,
    logger,
    relay,
    relaying,
    stalled,
    drained: after(stalled, "stalled"),
    rest: LATE_ADDRESS,
    task,
    dropped: after(task, "task"),
    supervise: TABLE_ADDRESS,
  };
}

/** The buffers come before the name, so that their addresses do not depend on the plan. */
const bufferAddresses: Readonly<Record<BufferName, number>> = {
  waitStatus: TABLE_ADDRESS + NAME_OFFSET - bufferBytes.waitStatus,
  identity: TABLE_ADDRESS + NAME_OFFSET - bufferBytes.waitStatus - bufferBytes.identity,
};

/**
 * The memory that proc_pid_cmdline(5) shows as a process's arguments. It holds one argument. If the last byte
 * of this memory is not NUL, the kernel shows only the text before the first NUL.
 */
function nameBytes(name: string): Uint8Array {
  const memory = new Uint8Array(NAME_BYTES);
  memory.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES - 2));
  memory[NAME_BYTES - 1] = 1;
  return memory;
}

const ARGUMENTS_AT = WORD_BYTES;

/** Phases that continue in another phase, which may be elsewhere in the table. */
const following: Partial<Record<Phase, Phase>> = { init: "unveil", unveil: "held" };

function writePart(
  table: TableWriter,
  steps: Partial<Plan["steps"]>,
  part: readonly Phase[],
  addresses: Readonly<Record<Phase, number>>,
  architecture: Architecture,
): void {
  const count = part.reduce((sum, phase) => sum + (steps[phase]?.length ?? 0), 0);
  let address = table.reserveWords((count * ENTRY_BYTES) / WORD_BYTES);
  for (const phase of part) {
    const list = steps[phase] ?? [];
    const after = following[phase];
    for (let index = 0; index < list.length; index++) {
      const step = list[index] as Step;
      const isLast = index === list.length - 1;
      const next = isLast && after !== undefined ? addresses[after] : address + ENTRY_BYTES;
      table.writeWord(address, systemCallNumber(step.call, architecture));
      writeArguments(table, address + ARGUMENTS_AT, step.args);
      writeSuccessors(table, address, step.flow, next, addresses);
      address += ENTRY_BYTES;
    }
  }
}

/** Unused arguments of a call stay zero. */
function writeArguments(table: TableWriter, address: number, args: readonly Argument[]): void {
  for (let index = 0; index < args.length; index++) {
    table.writeWord(address + index * WORD_BYTES, argumentWord(args[index] as Argument, table));
  }
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

/** @param here address of the entry */
function writeSuccessors(
  table: TableWriter,
  here: number,
  flow: Flow | undefined,
  next: number,
  addresses: Readonly<Record<Phase, number>>,
): void {
  const addressOf = (phase: Phase | "next") => (phase === "next" ? next : addresses[phase]);
  const write = (match: number, onMatch: number, onError: number, otherwise: number) => {
    const address = here + MATCH_OFFSET;
    table.writeWord(address, match);
    table.writeWord(address + WORD_BYTES, onMatch);
    table.writeWord(address + 2 * WORD_BYTES, onError);
    table.writeWord(address + 3 * WORD_BYTES, otherwise);
  };
  switch (flow?.kind) {
    case undefined:
      write(0, next, REPORT, next);
      break;
    case "tolerateErrors":
      write(0, next, next, next);
      break;
    case "fork":
      write(0, addressOf(flow.child), REPORT, addressOf(flow.parent));
      break;
    case "endOfFile":
      write(0, addressOf(flow.ended), REPORT, addressOf(flow.otherwise));
      break;
    case "branch":
      write(0, addressOf(flow.zero), next, addressOf(flow.otherwise));
      break;
    case "repeatUntil":
      write(flow.result, next, REPORT, here);
      break;
    case "repeatUntilTask":
      // No process has pid 0. At the fork, the kernel replaces the 0 with the task's pid.
      write(0, next, REPORT, here);
      break;
    case "repeatUntilError":
      write(0, here, next, here);
      break;
    case "repeatUntilZeroOrSkip":
      write(0, next, next + ENTRY_BYTES, here);
      break;
    case "goTo":
      write(0, addressOf(flow.phase), REPORT, addressOf(flow.phase));
      break;
    case "becomeLogger":
      write(0, LOGGER_CODE_ADDRESS, LOGGER_CODE_ADDRESS, LOGGER_CODE_ADDRESS);
      break;
  }
}

/** Takes the place of an entry's address: the runner then reports the error and ends the process. */
const REPORT = 0;
