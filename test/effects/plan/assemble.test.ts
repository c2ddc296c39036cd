import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { INSTRUCTION_BYTES } from "../../../src/effects/kernel/assembler.ts";
import { systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import { defaultTaskOptions } from "../../../src/effects/parts.ts";
import { stepAt } from "../../../src/effects/plan/assemble.ts";
import {
  type Argument,
  bufferBytes,
  type LaunchPlan,
  type Phase,
  phases,
} from "../../../src/effects/plan/plan.ts";
import {
  EARLY_ADDRESS,
  ENTRY_BYTES,
  KEPT_BYTES,
  LATE_ADDRESS,
  TABLE_ADDRESS,
  TABLE_BYTES,
  UNVEIL_ADDRESS,
  WORD_BYTES,
} from "../../../src/effects/plan/table.ts";
import { anyLaunchInput } from "../../support/launch/anyLaunchInput.ts";
import { launchInput } from "../../support/launch/launchRun.ts";
import { assemblePlan, Memory } from "../../support/launch/tableInterpreter.ts";
import { buildLaunchPlan } from "../../support/launch/wholeLaunch.ts";

const keptEnd = TABLE_ADDRESS + KEPT_BYTES;

describe("an assembled plan", () => {
  it("has every call and argument of the plan, on both architectures", () => {
    fc.assert(
      fc.property(anyLaunchInput, fc.constantFrom("x64", "arm64"), (input, architecture) => {
        const plan = buildLaunchPlan(input);
        const memory = new Memory(assemblePlan(plan, architecture));
        for (const { step, entry } of entriesOf(plan)) {
          const { number, args } = memory.call(entry);
          expect(number).toBe(systemCallNumber(step.call, architecture));
          const found = step.args.map((argument, n) => resolve(memory, args[n] as number, argument));
          expect(found).toEqual(step.args.map(meaningOf));
          expect(args.slice(step.args.length).every((word) => word === 0)).toBe(true);
          expect(stepAt(plan, entry)).toBe(step);
        }
      }),
    );
  });

  it("has one page that init keeps, with everything that it needs to supervise", () => {
    for (const runCgroup of [undefined, { parent: "/sys/fs/cgroup/task", name: "r".repeat(255) }]) {
      const plan = buildLaunchPlan(launchInput({ runCgroup }));
      const memory = new Memory(assemblePlan(plan, "x64"));
      for (const { step, entry } of entriesOf(plan).filter(({ phase }) => phase === "supervise")) {
        expect(entry + ENTRY_BYTES).toBeLessThanOrEqual(keptEnd);
        for (const [n, argument] of step.args.entries()) {
          if (typeof argument === "number" || (typeof argument === "object" && argument.kind === "flags"))
            continue;
          expect(memory.call(entry).args[n]).toBeLessThanOrEqual(keptEnd - bufferBytes.waitStatus);
        }
      }
    }
  });

  it("has the kernel write the task's pid into the step in which init compares pids", () => {
    fc.assert(
      fc.property(anyLaunchInput, (input) => {
        const plan = buildLaunchPlan(input);
        const memory = new Memory(assemblePlan(plan, "x64"));
        const entries = entriesOf(plan);
        const fork = entries.findLast(({ step }) => step.name === "fork the task");
        const wait = entries.find(({ step }) => step.flow?.kind === "repeatUntilTask");
        const attributes = memory.call(fork?.entry ?? 0).args[0] ?? 0;
        memory.setParentTid(attributes, 4_194_303);
        const match = (wait?.entry ?? 0) + ENTRY_BYTES - 4 * WORD_BYTES;
        expect(memory.word(match)).toBe(4_194_303);
      }),
    );
  });

  it("has nothing of the environment in the page that init keeps", () => {
    const table = assemblePlan(buildLaunchPlan(launchInput({ env: { TOKEN: "very-secret" } })), "x64");
    const kept = new TextDecoder().decode(table.subarray(0, KEPT_BYTES));
    expect(kept).not.toContain("very-secret");
    expect(new TextDecoder().decode(table.subarray(KEPT_BYTES))).toContain("TOKEN=very-secret\0");
  });

  it("finds no step at an address between entries or beyond them", () => {
    const plan = buildLaunchPlan(launchInput());
    expect(stepAt(plan, TABLE_ADDRESS + 8)).toBeUndefined();
    expect(stepAt(plan, TABLE_ADDRESS + TABLE_BYTES)).toBeUndefined();
    expect(stepAt(plan, 0)).toBeUndefined();
  });

  it("refuses numbers that are not whole", () => {
    for (const nice of [Number.NaN, 0.5, Number.POSITIVE_INFINITY]) {
      const input = launchInput({ options: { ...defaultTaskOptions(), nice } });
      expect(() => assemblePlan(buildLaunchPlan(input), "x64")).toThrow(RangeError);
    }
  });

  it("refuses oversized plans, and strings that would be truncated", () => {
    const assembled = (args: string[]) => () => assemblePlan(buildLaunchPlan(launchInput({ args })), "x64");
    expect(assembled(["x".repeat(TABLE_BYTES)])).toThrow(expect.objectContaining({ code: "LAUNCH_FAILED" }));
    expect(assembled(["x".repeat(100_000)])).not.toThrow();
    expect(assembled(["before\0after"])).toThrow("NUL");
  });
});

/** Every step with the address of its entry, by the layout in table.ts. */
function entriesOf(plan: LaunchPlan) {
  const { steps } = plan;
  const [unveil] = steps.unveil;
  const isApart = unveil !== undefined && stepAt(plan, UNVEIL_ADDRESS) === unveil;
  const starts: Partial<Record<Phase, number>> = {
    parent: EARLY_ADDRESS,
    ...(isApart ? { unveil: UNVEIL_ADDRESS } : {}),
    rest: LATE_ADDRESS,
    supervise: TABLE_ADDRESS,
  };
  // If the phase `unveil` has its own address, the phase after it directly follows the phase before it.
  const inOrder = isApart ? [...phases.filter((phase) => phase !== "unveil"), "unveil" as const] : phases;
  let next = 0;
  return inOrder.flatMap((phase) => {
    next = starts[phase] ?? next;
    return steps[phase].map((step) => {
      const entry = next;
      next += ENTRY_BYTES;
      return { phase, step, entry };
    });
  });
}

function resolve(memory: Memory, word: number, argument: Argument): unknown {
  if (typeof argument === "number") return word;
  if (typeof argument === "string") return memory.string(word);
  switch (argument.kind) {
    case "flags":
      return word;
    case "bytes":
      return memory.bytes(word, argument.bytes.length);
    case "strings":
      return memory.strings(word);
    case "filter": {
      const length = memory.word(word) * INSTRUCTION_BYTES;
      return memory.bytes(memory.word(word + WORD_BYTES), length);
    }
    case "message":
      return undefined;
    case "place":
      return memory.bytes(word, bufferBytes[argument.buffer] - argument.offset);
  }
}

function meaningOf(argument: Argument): unknown {
  if (typeof argument !== "object") return argument;
  switch (argument.kind) {
    case "flags":
      return argument.value;
    case "bytes":
      return argument.bytes;
    case "strings":
      return argument.strings;
    case "filter":
      return argument.filter.program;
    case "message":
      throw new Error("no launch receives messages");
    case "place":
      return new Uint8Array(bufferBytes[argument.buffer] - argument.offset);
  }
}
