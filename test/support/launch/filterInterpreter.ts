/** The kernel's interpreter of seccomp filters, in TypeScript. See userspace-api/seccomp_filter.rst. */

import { INSTRUCTION_BYTES } from "../../../src/effects/kernel/assembler.ts";
import { SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS } from "../../../src/effects/kernel/constants.ts";
import {
  type Architecture,
  highestSystemCall,
  systemCallNames,
  systemCallNumber,
} from "../../../src/effects/kernel/systemCalls.ts";
import type { Condition } from "../../../src/effects/seccomp/restriction.ts";
import { auditArchitectures, refusal } from "../../../src/effects/seccomp/systemCallFilter.ts";
import type { TaskFilter } from "../../../src/effects/seccomp/taskFilter.ts";

/** `struct seccomp_data`, without the instruction pointer. */
export interface Call {
  /** `AUDIT_ARCH_*`. */
  readonly architecture: number;
  readonly number: number;
  /** The task's arguments, 64 bits each. */
  readonly args: readonly bigint[];
}

export interface Run {
  readonly verdict: number;
  readonly instructions: number;
}

/** Runs a program as the kernel would. @throws RangeError for a program that the kernel would refuse */
export function run(program: Uint8Array, call: Call): Run {
  const data = dataOf(call);
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  if (program.length % INSTRUCTION_BYTES !== 0) throw new RangeError("half an instruction");
  let accumulator = 0;
  let instructions = 0;
  for (let at = 0; ; at++) {
    const offset = at * INSTRUCTION_BYTES;
    if (offset >= program.length) throw new RangeError(`no instruction ${at}`);
    instructions += 1;
    const k = code.getUint32(offset + 4, true);
    const jump = (holds: boolean) => code.getUint8(offset + (holds ? 2 : 3));
    switch (code.getUint16(offset, true)) {
      case 0x20:
        if (k % 4 !== 0) throw new RangeError(`a load from ${k}`);
        accumulator = data.getUint32(k, true);
        break;
      case 0x05:
        at += k;
        break;
      case 0x06:
        return { verdict: k, instructions };
      case 0x15:
        at += jump(accumulator === k);
        break;
      case 0x35:
        at += jump(accumulator >= k);
        break;
      case 0x45:
        at += jump((accumulator & k) !== 0);
        break;
      default:
        throw new RangeError(`instruction ${at} has code 0x${code.getUint16(offset, true).toString(16)}`);
    }
  }
}

function dataOf({ number, architecture, args }: Call): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, architecture, true);
  for (const [index, value] of args.entries()) data.setBigUint64(16 + 8 * index, value, true);
  return data;
}

/** A filter's decision, computed in the simplest way. */
export function verdictOf(
  filter: TaskFilter,
  on: Architecture,
  { architecture, number, args }: Call,
): number {
  if (architecture !== auditArchitectures[on]) return SECCOMP_RET_KILL_PROCESS;
  if (number >= 0x40000000 || (filter.refusesUnknown && number > highestSystemCall)) return refusal("ENOSYS");
  const name = systemCallNames.find((call) => systemCallNumber(call, on) === number);
  const applies = filter.restrictions.find(
    ({ calls, when = [] }) =>
      name !== undefined && calls.includes(name) && when.every((condition) => holds(condition, args)),
  );
  return applies === undefined ? SECCOMP_RET_ALLOW : refusal(applies.errno);
}

function holds(condition: Condition, args: readonly bigint[]): boolean {
  const value = Number((args[condition.argument] ?? 0n) & 0xffffffffn);
  if ("isOneOf" in condition) return condition.isOneOf.includes(value);
  if ("isNoneOf" in condition) return !condition.isNoneOf.includes(value);
  if ("hasAnyBitOf" in condition) return (BigInt(value) & BigInt(condition.hasAnyBitOf)) !== 0n;
  return (BigInt(value) & ~BigInt(condition.hasAnyBitBeside) & 0xffffffffn) !== 0n;
}
