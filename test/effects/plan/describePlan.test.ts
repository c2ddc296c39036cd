import { expect, it } from "vitest";
import { executeStep } from "../../../src/effects/command/commandSteps.ts";
import { describePlan } from "../../../src/effects/plan/describePlan.ts";
import { type Plan, phases } from "../../../src/effects/plan/plan.ts";
import { maskPlanStep } from "../../../src/history/replay/mask.ts";

function lineOf(args: string[], env: Record<string, string> = {}): string {
  const none = Object.fromEntries(phases.map((phase) => [phase, []]));
  const step = executeStep({ command: "/bin/sh", name: "sh", args, env });
  const plan = { steps: { ...none, task: [step] } } as unknown as Plan;
  return describePlan(plan).join("\n");
}

it("names a command's arguments and variables, without values", () => {
  expect(lineOf(["-c", 'say "so"'], { TOKEN: "marker-5e0c" })).toBe(
    'task      execute the command: execve("/bin/sh", ["sh", "-c", "say \\"so\\""], ["TOKEN=…"])',
  );
});

it("leaves out what is longer than 64 KiB, so that a plan stays small and is masked as before", () => {
  const many = Object.fromEntries(Array.from({ length: 40_000 }, (_, at) => [`VARIABLE_${at}`, "x"]));
  const line = lineOf(["-c", "marker-5e0c".repeat(300_000), "y"], many);
  expect(Buffer.byteLength(line)).toBeLessThan(300_000);
  expect(line).toContain('["sh", "-c", "… 2 more arguments of 3.1 MiB, left out"], ["VARIABLE_0=…", ');
  expect(line).toMatch(/, "… [\d,]+ more variables of [\d.]+ KiB, left out"\]\)$/);
  expect(maskPlanStep(line)).toBe('task      execute the command: execve("/bin/sh", […], […])');
});
