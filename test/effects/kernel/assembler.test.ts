import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assemble, INSTRUCTION_BYTES, type Line } from "../../../src/effects/kernel/assembler.ts";
import { run } from "../../support/launch/filterInterpreter.ts";

const number = (value: number) => ({ architecture: 0, number: value, args: [] });
const label = (name: string): Line => ({ kind: "label", label: name });
const returns = (value: number): Line => ({ kind: "return", value });
const padding = (count: number): Line[] => Array.from({ length: count }, () => ({ kind: "load", offset: 0 }));

describe("an assembled filter", () => {
  it("is an array of struct sock_filter", () => {
    const program = assemble([
      { kind: "load", offset: 4 },
      { kind: "jump", compare: "equal", value: 0xc000003e, ifTrue: "end" },
      returns(0x80000000),
      label("end"),
      returns(0x7fff0000),
    ]);
    expect(Buffer.from(program).toString("hex").match(/.{16}/g)).toEqual([
      "2000000004000000", // ld [4]
      "150001003e0000c0", // jeq #0xc000003e, +1, +0
      "0600000000000080", // ret #0x80000000
      "060000000000ff7f", // ret #0x7fff0000
    ]);
  });

  it.each([
    ["equal", 5, [4, 5, 6], [false, true, false]],
    ["greaterOrEqual", 0x80000000, [0x7fffffff, 0x80000000, 0xffffffff], [false, true, true]],
    ["anyBit", 0x80000001, [0x7ffffffe, 0x80000000, 1], [false, true, true]],
  ] as const)("compares unsigned numbers: %s", (compare, value, tried, expected) => {
    const program = assemble([
      { kind: "load", offset: 0 },
      { kind: "jump", compare, value, ifTrue: "holds" },
      returns(0),
      label("holds"),
      returns(1),
    ]);
    expect(tried.map((each) => run(program, number(each)).verdict === 1)).toEqual(expected);
  });

  it.each([253, 254, 255, 256, 257, 300, 3000])(
    "can jump over %i instructions, whether its condition holds or not",
    (count) => {
      const program = assemble([
        { kind: "load", offset: 0 },
        { kind: "jump", compare: "equal", value: 1, ifTrue: "one", ifFalse: "other" },
        ...padding(count),
        label("one"),
        returns(1),
        label("other"),
        returns(2),
      ]);
      expect([1, 7].map((each) => run(program, number(each)).verdict)).toEqual([1, 2]);
    },
  );

  it("executes correctly with jumps of any length", () => {
    // A chain of comparisons. Each may jump to any later label.
    const program = fc
      .array(
        fc.record({
          value: fc.nat(20),
          padding: fc.nat(200),
          ifTrue: fc.option(fc.nat(20)),
          ifFalse: fc.option(fc.nat(20)),
        }),
        { minLength: 1, maxLength: 12 },
      )
      .map((parts) => {
        const far = (index: number, to: number | null) =>
          to === null ? undefined : Math.min(index + 1 + to, parts.length);
        return parts.map((part, index) => ({
          ...part,
          ifTrue: far(index, part.ifTrue),
          ifFalse: far(index, part.ifFalse),
        }));
      });
    fc.assert(
      fc.property(program, fc.nat(20), (parts, value) => {
        const lines = parts.flatMap((part, index): Line[] => [
          label(`${index}`),
          { kind: "load", offset: 0 },
          {
            kind: "jump",
            compare: "equal",
            value: part.value,
            ...(part.ifTrue !== undefined && { ifTrue: `${part.ifTrue}` }),
            ...(part.ifFalse !== undefined && { ifFalse: `${part.ifFalse}` }),
          },
          // Reached only from the instruction before it.
          ...padding(part.padding),
          returns(index + 1),
        ]);
        const assembled = assemble([...lines, label(`${parts.length}`), returns(1000)]);
        let at = 0;
        let expected = 1000;
        while (at < parts.length) {
          const part = parts[at] as (typeof parts)[number];
          const to = part.value === value ? part.ifTrue : part.ifFalse;
          if (to === undefined) {
            expected = at + 1;
            break;
          }
          at = to;
        }
        expect(run(assembled, number(value)).verdict).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    [[{ kind: "goto", label: "x" }], "missing"],
    [[label("x"), { kind: "goto", label: "x" }, returns(0)], "before"],
    [[label("x"), label("x"), returns(0)], "twice"],
    [[...padding(4096), returns(0)], "4097"],
  ] as const)("is refused if the kernel could not run it: %#", (lines, reason) => {
    expect(() => assemble(lines)).toThrow(reason);
  });

  it("may have as many instructions as the kernel accepts", () => {
    expect(assemble([...padding(4095), returns(0)]).length).toBe(4096 * INSTRUCTION_BYTES);
  });
});
