import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { capabilityNames } from "../../../src/config/options/capabilities.ts";
import { defaultProfile } from "../../../src/config/seccomp/defaultProfile.ts";
import type { Condition, Restriction } from "../../../src/config/seccomp/restriction.ts";
import { taskFilter } from "../../../src/config/seccomp/taskFilter.ts";
import { INSTRUCTION_BYTES } from "../../../src/effects/seccomp/assembler.ts";
import { assembleFilter, auditArchitectures } from "../../../src/effects/seccomp/filterProgram.ts";
import { highestSystemCall, systemCallNames, systemCallNumber } from "../../../src/systemCalls.ts";
import { type Call, run, verdictOf } from "../../support/seccomp/filterInterpreter.ts";

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
    capabilities: fc.uniqueArray(fc.constantFrom(...capabilityNames), { maxLength: 4 }),
    connectTcp: ports,
    bindTcp: ports,
  })
  .map(({ capabilities, ...options }) => taskFilter(options, capabilities, options))
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
  errno: fc.constantFrom(
    "EPERM",
    "ENOENT",
    "EACCES",
    "ENOSYS",
    "EAFNOSUPPORT",
    "EPROTONOSUPPORT",
    "EOPNOTSUPP",
  ),
});
const anyFilter = fc.record({
  restrictions: fc.array(restriction, { maxLength: 20 }),
  refusesUnknown: fc.boolean(),
});

const call: fc.Arbitrary<Call> = fc.record({
  architecture: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...Object.values(auditArchitectures)) },
    { weight: 1, arbitrary: fc.constantFrom(AUDIT_ARCH_I386, AUDIT_ARCH_ARM) },
  ),
  number: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: highestSystemCall + 10 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffffffff }) },
  ),
  args: fc.array(
    fc.tuple(bits, bits).map(([high, low]) => (BigInt(high) << 32n) | BigInt(low)),
    {
      minLength: 6,
      maxLength: 6,
    },
  ),
});

describe("a task's filter", () => {
  it.each([
    ["its options", optionsFilter],
    ["any restrictions", anyFilter],
  ])("decides as told: by %s", (_, filters) => {
    fc.assert(
      fc.property(
        filters,
        architecture,
        fc.array(call, { minLength: 1, maxLength: 40 }),
        (filter, on, calls) => {
          const program = assembleFilter(filter, on);
          for (const each of calls) expect(run(program, each).verdict).toBe(verdictOf(filter, on, each));
        },
      ),
      { numRuns: 400 },
    );
  });

  it.each(architectures)("decides every call of the default profile as told, on %s", (on) => {
    const filter = taskFilter({ profile: "default", allow: [], deny: [] }, [], {});
    if (filter === undefined) throw new Error("no filter");
    const program = assembleFilter(filter, on);
    const interesting = [0n, 1n, 17n, 35n, 40n, 0x5412n, 0o100n, 0o4755n, 0x10000000n, 0xffffffff00000000n];
    for (let number = 0; number <= highestSystemCall + 1; number++) {
      for (const value of interesting) {
        const each = { architecture: auditArchitectures[on], number, args: Array(6).fill(value) as bigint[] };
        expect([number, value, run(program, each).verdict]).toEqual([
          number,
          value,
          verdictOf(filter, on, each),
        ]);
      }
    }
  });

  it("takes few instructions for a call that is always allowed, and is small", () => {
    const filter = taskFilter({ profile: "default", allow: [], deny: [] }, [], {
      connectTcp: [],
      bindTcp: [],
    });
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
