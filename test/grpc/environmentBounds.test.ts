import { describe, expect, it } from "vitest";
import { environmentProblem, optionsProblem } from "../../src/grpc/convert/environmentBounds.ts";

describe("an environment", () => {
  const problemOf = (...parts: Record<string, string>[]) =>
    environmentProblem(parts.map((part) => new Map(Object.entries(part))))?.message;
  const many = (count: number, size = 1, start = "V") =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`${start}${at}`, "x".repeat(size)]));

  it("has so many variables that a start does not hold up other tasks", () => {
    expect(problemOf(many(2_000), many(48, 1, "W"))).toBeUndefined();
    expect(problemOf(many(2_000), many(49, 1, "W"))).toBe(
      "the task's environment has 2,049 variables. It may have at most 2,048 of them. Pass large data in a file, such as a template's without `env`",
    );
  });

  it("has what execve(2) can pass in one variable, and 1 MiB", () => {
    expect(problemOf({ NAME: "x".repeat(131_072 - 6) })).toBeUndefined();
    expect(problemOf({ NAME: "x".repeat(131_072 - 5) })).toContain(
      'has 131,073 bytes in variable "NAME". It may have at most 131,072 bytes in one',
    );
    expect(problemOf({ ["N".repeat(200_000)]: "" })).toContain(`in variable "${"N".repeat(64)}"`);
    expect(problemOf({ [`NAME=${"secret".repeat(30_000)}`]: "" })).toContain('in variable "NAME"');
    expect(problemOf(many(1_000, 1_000))).toBeUndefined();
    expect(problemOf(many(1_100, 1_000))).toMatch(
      /^the task's environment has 1,1\d\d,\d\d\d bytes. It may have at most 1,048,576 bytes/,
    );
  });
});

it("options have what a launch has room for", () => {
  expect(optionsProblem(new Uint8Array(1_048_576))).toBeUndefined();
  expect(optionsProblem(new Uint8Array(1_048_577))).toMatchObject({
    code: "CONFIG_INVALID",
    message:
      "the task's options have 1,048,577 bytes. They may have at most 1,048,576 bytes. Pass large data in a file, such as a template's",
  });
});
