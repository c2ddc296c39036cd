import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { INSTRUCTION_BYTES } from "../../../src/effects/kernel/assembler.ts";
import {
  type Architecture,
  highestSystemCall,
  supportedArchitecture,
  systemCallNames,
  systemCallNumber,
} from "../../../src/effects/kernel/systemCalls.ts";
import { defaultProfile } from "../../../src/effects/seccomp/defaultProfile.ts";
import { type Condition, errnos, type Restriction } from "../../../src/effects/seccomp/restriction.ts";
import {
  assembleFilter,
  auditArchitectures,
  systemCallFilter,
} from "../../../src/effects/seccomp/systemCallFilter.ts";
import { type TaskFilter, taskFilter } from "../../../src/effects/seccomp/taskFilter.ts";
import { type Call, run, verdictOf } from "../../support/launch/filterInterpreter.ts";

const architectures = ["x64", "arm64"] as const;
const AUDIT_ARCH_I386 = 0x40000003;
const AUDIT_ARCH_ARM = 0x40000028;

const architecture = fc.constantFrom(...architectures);
const names = fc.uniqueArray(
  fc.oneof(
    fc.constantFrom(...systemCallNames),
    fc.constantFrom(...defaultProfile.map(({ name }) => `@${name}`)),
  ),
  { maxLength: 12 },
);
const ports = fc.option(fc.constantFrom<number[]>([], [80], [0, 80]), { nil: undefined });
const optionsFilter = fc
  .record({
    profile: fc.constantFrom("default", "unconfined", "named"),
    allow: names,
    deny: names,
    pidMode: fc.constantFrom("private" as const, "host" as const),
    connectTcp: ports,
    bindTcp: ports,
  })
  .map((options) => taskFilter(options, options))
  .filter((filter) => filter !== undefined);

const bits = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0, 1, 2, 10, 16, 17, 40, 0o100, 0o4755, 0x5412, 0x20000000, 0x10000000, 35, 262),
);
const argument = fc.integer({ min: 0, max: 5 }) as fc.Arbitrary<Condition["argument"]>;
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ argument, isOneOf: fc.array(bits, { minLength: 1, maxLength: 4 }) }),
  fc.record({ argument, isNoneOf: fc.array(bits, { minLength: 1, maxLength: 4 }) }),
  fc.record({ argument, hasAnyBitOf: bits }),
  fc.record({ argument, hasAnyBitBeside: bits }),
);
const restriction: fc.Arbitrary<Restriction> = fc.record({
  calls: fc.array(fc.constantFrom(...systemCallNames), { maxLength: 40 }),
  when: fc.array(condition, { maxLength: 3 }),
  errno: fc.constantFrom(...errnos),
});
const anyFilter = fc.record({
  restrictions: fc.array(restriction, { maxLength: 20 }),
  refusesUnknown: fc.boolean(),
});

/** The constants that a filter compares with, and their neighbours. */
function valuesIn({ restrictions }: TaskFilter): number[] {
  const values = restrictions.flatMap(({ when = [] }) =>
    when.flatMap((each) => {
      if ("isOneOf" in each) return each.isOneOf;
      if ("isNoneOf" in each) return each.isNoneOf;
      return "hasAnyBitOf" in each ? [each.hasAnyBitOf] : [each.hasAnyBitBeside];
    }),
  );
  return [...new Set(values.flatMap((value) => [value, value + 1, value - 1].map((near) => near >>> 0)))];
}

/** Chooses one of the values that the filter compares with; -1 chooses an arbitrary value. */
const choice = fc.oneof(fc.constant(-1), fc.nat(1000));
/** A call whose number and arguments are arbitrary, or are chosen from the filter. */
const call = fc.record({
  architecture: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...Object.values(auditArchitectures)) },
    { weight: 1, arbitrary: fc.constantFrom(AUDIT_ARCH_I386, AUDIT_ARCH_ARM) },
  ),
  number: fc.oneof(
    fc.integer({ min: 0, max: highestSystemCall + 10 }),
    fc.integer({ min: 0, max: 0xffffffff }),
  ),
  known: choice,
  args: fc.array(fc.record({ high: bits, low: bits, known: choice }), { minLength: 6, maxLength: 6 }),
});
type AnyCall = typeof call extends fc.Arbitrary<infer T> ? T : never;

function callFor(filter: TaskFilter, on: Architecture, { architecture, number, known, args }: AnyCall): Call {
  const values = valuesIn(filter);
  const calls = filter.restrictions.flatMap((each) => each.calls);
  const name = known < 0 ? undefined : calls[known % calls.length];
  return {
    architecture,
    number: (name && systemCallNumber(name, on)) ?? number,
    args: args.map(({ high, low, known }) => {
      const value = known < 0 ? undefined : values[known % values.length];
      return (BigInt(high) << 32n) | BigInt(value ?? low);
    }),
  };
}

describe("a task's filter", () => {
  it.each([
    ["its options", optionsFilter],
    ["any restrictions", anyFilter],
  ])("decides as specified: by %s", (_, filters) => {
    fc.assert(
      fc.property(
        filters,
        architecture,
        fc.array(call, { minLength: 1, maxLength: 40 }),
        (filter, on, calls) => {
          const program = assembleFilter(filter, on);
          for (const any of calls) {
            const each = callFor(filter, on, any);
            expect(run(program, each).verdict).toBe(verdictOf(filter, on, each));
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it.each(architectures)("decides every call of the default profile as specified, on %s", (on) => {
    const filter = taskFilter(
      { profile: "default", allow: [], deny: [] },
      {
        connectTcp: [],
        bindTcp: [],
      },
    );
    if (filter === undefined) throw new Error("no filter");
    const program = assembleFilter(filter, on);
    for (let number = 0; number <= highestSystemCall + 1; number++) {
      const own = filter.restrictions.filter(({ calls }) =>
        calls.some((name) => systemCallNumber(name, on) === number),
      );
      const values = [0, 0xffffffff, ...valuesIn({ ...filter, restrictions: own })];
      for (const [first, other] of values.flatMap((a) => values.map((b) => [a, b] as const))) {
        const args = [first, other, other, first, other, first].map(BigInt);
        const each = { architecture: auditArchitectures[on], number, args };
        const verdict = verdictOf(filter, on, each);
        if (run(program, each).verdict !== verdict)
          expect([number, args, run(program, each).verdict]).toEqual(verdict);
      }
    }
  });

  it("takes few instructions for a call that is always allowed, and is small", () => {
    const filter = taskFilter(
      { profile: "default", allow: [], deny: [] },
      {
        connectTcp: [],
        bindTcp: [],
      },
    );
    if (filter === undefined) throw new Error("no filter");
    for (const on of architectures) {
      const program = assembleFilter(filter, on);
      expect(program.length / INSTRUCTION_BYTES).toBeLessThan(300);
      for (const name of ["read", "write", "futex", "openat2", "mmap", "epoll_ctl", "recvfrom"] as const) {
        const each = {
          architecture: auditArchitectures[on],
          number: systemCallNumber(name, on),
          args: [],
        };
        expect(run(program, each).instructions).toBeLessThan(14);
      }
    }
  });
});

it("a task gets the filter of its own options, whatever filters were made before", () => {
  const profile = { profile: "default", allow: [], deny: [] };
  const list = fc.option(fc.constantFrom<number[]>([], [80]), { nil: undefined });
  const limits = fc.record({
    ...{ connectTcp: list, bindTcp: list, connectUdp: list, bindUdp: list },
    egress: fc.option(fc.constant<string[]>([]), { nil: undefined }),
    diskLimit: fc.option(fc.constant(1), { nil: undefined }),
    pidMode: fc.constantFrom("private" as const, "host" as const),
  });
  fc.assert(
    fc.property(limits, (options) => {
      const filter = taskFilter(profile, options);
      if (filter === undefined) throw new Error("the default profile refuses calls");
      expect(systemCallFilter(profile, options)?.program).toEqual(
        assembleFilter(filter, supportedArchitecture()),
      );
    }),
  );
});
