/**
 * The filter of a task's system calls: a search for the number of the call, then the conditions on its
 * arguments. A call that is always allowed takes some ten instructions. From Linux 5.11 on, such a call takes
 * none, because the kernel tries all numbers beforehand and remembers the calls that are always allowed.
 * Pure.
 */
import { constants } from "node:os";
import { assemble, type Label, type Line } from "../kernel/assembler.ts";
import * as k from "../kernel/constants.ts";
import {
  type Architecture,
  highestSystemCall,
  supportedArchitecture,
  systemCallNumber,
} from "../kernel/systemCalls.ts";
import { flags, type Step, type SystemCallFilter } from "../plan/plan.ts";
import type { Condition, Errno, Restriction } from "./restriction.ts";
import {
  type FilterOptions,
  limitRestrictions,
  type SeccompProfile,
  type TaskFilter,
  taskFilter,
  X32_CALLS,
} from "./taskFilter.ts";

/**
 * @param profile null for a kernel without filters
 * @returns undefined if nothing is refused
 */
export function systemCallFilter(
  profile: SeccompProfile | null,
  options: FilterOptions,
): SystemCallFilter | undefined {
  if (profile === null) return undefined;
  const key = JSON.stringify([profile, options.pidMode, limitRestrictions(options)]);
  const known = assembled.get(key);
  if (known !== undefined) return known;
  const filter = taskFilter(profile, options);
  if (filter === undefined) return undefined;
  const program = assembleFilter(filter, supportedArchitecture());
  if (assembled.size >= MAX_ASSEMBLED) assembled.clear();
  const made = { name: profile.profile, program };
  assembled.set(key, made);
  return made;
}

/**
 * Assembled filters. Assembling a filter takes longer than the rest of a plan, and most tasks of a node have
 * the same filter.
 */
const assembled = new Map<string, SystemCallFilter>();
const MAX_ASSEMBLED = 64;

/**
 * With no_new_privs, every process may set a filter. Without SPEC_ALLOW, kernels before 5.16 would also turn
 * on a mitigation against speculative store bypass, which slows the task down. The mitigation is for programs
 * that isolate foreign code inside one process, and such programs request it by prctl(2).
 */
export function filterStep(filter: SystemCallFilter, recordDenials: boolean): Step {
  const { SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, SECCOMP_FILTER_FLAG_LOG } = k;
  return {
    name: "filter system calls",
    call: "seccomp",
    args: [
      flags({ SECCOMP_SET_MODE_FILTER }),
      flags({ SECCOMP_FILTER_FLAG_SPEC_ALLOW, ...(recordDenials && { SECCOMP_FILTER_FLAG_LOG }) }),
      { kind: "filter", filter },
    ],
  };
}

/** @returns an array of `struct sock_filter` */
export function assembleFilter(filter: TaskFilter, architecture: Architecture): Uint8Array {
  const chains = chainsOf(filter.restrictions, architecture);
  const ranges = rangesOf(chains, filter.refusesUnknown ? highestSystemCall + 1 : X32_CALLS);
  const distinct = new Map([...chains.values()].map((chain) => [labelOf(chain), chain]));
  const errors = new Set<Errno>(["ENOSYS"]);
  for (const chain of distinct.values()) for (const { errno } of chain) errors.add(errno);
  return assemble([
    { kind: "load", offset: dataOffsets.architecture },
    { kind: "jump", compare: "equal", value: auditArchitectures[architecture], ifTrue: "native" },
    // Kills a 32-bit program. Its calls have other numbers, so with an errno even its exit would fail.
    { kind: "return", value: k.SECCOMP_RET_KILL_PROCESS },
    { kind: "label", label: "native" },
    { kind: "load", offset: dataOffsets.number },
    ...search(ranges),
    ...[...distinct.values()].flatMap(checks),
    ...[...errors].flatMap((errno) => returning(errno, refusal(errno))),
    ...returning("allow", k.SECCOMP_RET_ALLOW),
  ]);
}

export const auditArchitectures: Readonly<Record<Architecture, number>> = {
  x64: k.AUDIT_ARCH_X86_64,
  arm64: k.AUDIT_ARCH_AARCH64,
};

/**
 * Offsets in `struct seccomp_data` of `linux/seccomp.h`. For an argument, the offset of its lower 32 bits.
 */
const dataOffsets = {
  number: 0,
  architecture: 4,
  argument: (index: number) => 16 + 8 * index,
} as const;

/** The value that a filter returns for a refused call. */
export function refusal(errno: Errno): number {
  return k.SECCOMP_RET_ERRNO + constants.errno[errno];
}

/** The restrictions of one call, in order. The last one may be unconditional. */
type Chain = readonly [Link, ...Link[]];

interface Link {
  readonly when: readonly Condition[];
  readonly errno: Errno;
}

/** The chains by the calls' numbers. A call that is always allowed has no chain. */
function chainsOf(restrictions: readonly Restriction[], architecture: Architecture): Map<number, Chain> {
  const chains = new Map<number, Chain>();
  for (const { calls, when = [], errno } of restrictions) {
    for (const call of calls) {
      const number = systemCallNumber(call, architecture);
      if (number === undefined) continue;
      const chain = chains.get(number);
      if (chain === undefined) chains.set(number, [{ when, errno }]);
      else if (!chain.some(isUnconditional)) chains.set(number, [...chain, { when, errno }]);
    }
  }
  return chains;
}

function isUnconditional({ when }: Link): boolean {
  return when.length === 0;
}

/** Calls with equal chains have equal labels. */
function labelOf(chain: Chain): Label {
  return isUnconditional(chain[0]) ? chain[0].errno : JSON.stringify(chain);
}

/**
 * Calls with consecutive numbers and the same treatment. A range ends where the next range begins.
 */
interface Range {
  readonly first: number;
  readonly label: Label;
}

function rangesOf(chains: ReadonlyMap<number, Chain>, firstUnknown: number): Range[] {
  const ranges: Range[] = [{ first: 0, label: "allow" }];
  const begin = (first: number, label: Label) => {
    const last = ranges.at(-1) as Range;
    if (last.first === first) ranges.pop();
    if (ranges.at(-1)?.label !== label) ranges.push({ first, label });
  };
  for (const [number, chain] of [...chains].sort(([a], [b]) => a - b)) {
    begin(number, labelOf(chain));
    begin(number + 1, "allow");
  }
  begin(firstUnknown, "ENOSYS");
  return ranges;
}

/** A balanced search: each comparison halves the ranges. */
function search(ranges: readonly Range[]): Line[] {
  const middle = ranges.length >> 1;
  const [low, high] = [ranges.slice(0, middle), ranges.slice(middle)];
  const [first] = high;
  if (first === undefined || low.length === 0) return [];
  return [
    {
      kind: "jump",
      compare: "greaterOrEqual",
      value: first.first,
      ifTrue: entryOf(high),
      ifFalse: entryOf(low),
    },
    ...(low.length === 1 ? [] : [{ kind: "label", label: entryOf(low) } as const, ...search(low)]),
    ...(high.length === 1 ? [] : [{ kind: "label", label: entryOf(high) } as const, ...search(high)]),
  ];
}

/** The label at which the search among ranges begins. For a single range, the label of its treatment. */
function entryOf(ranges: readonly Range[]): Label {
  const [first, last] = [ranges[0], ranges.at(-1)] as [Range, Range];
  return ranges.length === 1 ? first.label : `from ${first.first} to ${last.first}`;
}

/**
 * The instructions for a chain. If its first restriction is unconditional, no instruction is needed, because
 * the chain then has the label of the error.
 */
function checks(chain: Chain): Line[] {
  const name = labelOf(chain);
  if (isUnconditional(chain[0])) return [];
  return chain.flatMap(({ when, errno }, index): Line[] => [
    { kind: "label", label: index === 0 ? name : `${name} ${index}` },
    ...when.flatMap((condition, n) => {
      const otherwise = index + 1 < chain.length ? `${name} ${index + 1}` : "allow";
      return check(condition, otherwise, `${name} ${index} ${n} holds`);
    }),
    { kind: "goto", label: errno },
  ]);
}

/** Jumps to `otherwise` if the condition does not hold; else continues with the next line. */
function check(condition: Condition, otherwise: Label, holds: Label): Line[] {
  const load: Line = { kind: "load", offset: dataOffsets.argument(condition.argument) };
  const equal = (value: number) => ({ kind: "jump", compare: "equal", value }) as const;
  if ("hasAnyBitOf" in condition) {
    return [load, { kind: "jump", compare: "anyBit", value: condition.hasAnyBitOf, ifFalse: otherwise }];
  }
  if ("hasAnyBitBeside" in condition) {
    return [
      load,
      { kind: "jump", compare: "anyBit", value: ~condition.hasAnyBitBeside >>> 0, ifFalse: otherwise },
    ];
  }
  if ("isNoneOf" in condition) {
    return [load, ...condition.isNoneOf.map((value) => ({ ...equal(value), ifTrue: otherwise }))];
  }
  const last = condition.isOneOf.length - 1;
  return [
    load,
    ...condition.isOneOf.map((value, index) => ({
      ...equal(value),
      ...(index === last ? { ifFalse: otherwise } : { ifTrue: holds }),
    })),
    { kind: "label", label: holds },
  ];
}

function returning(label: Label, value: number): Line[] {
  return [
    { kind: "label", label },
    { kind: "return", value },
  ];
}
