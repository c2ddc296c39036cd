import { describe, expect, it } from "vitest";
import { DriverError } from "../../src/errors.ts";
import { jobFile } from "../../src/jobspec/jobFile.ts";
import { parseHcl, parseJson, readSyntaxError } from "../../src/jobspec/syntax.ts";

async function errorOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (thrown) {
    if (thrown instanceof DriverError && thrown.code === "JOB_INVALID") return thrown.summary;
    throw thrown;
  }
  return "none";
}

describe("an error of a parser", () => {
  it("has the position of the first of HCL2's errors, whatever the file's name looks like", async () => {
    const file = jobFile("a:7,7: b; c.hcl", "a = \nb = = 3\n");
    expect(await errorOf(() => parseHcl(file))).toBe(
      "a:7,7: b; c.hcl:1:5: this is not valid HCL2: Invalid expression: Expected the start of an expression, " +
        "but found an invalid expression token.\n  1 | a =\n    |     ^",
    );
  });

  it("has the position in JSON", async () => {
    expect(await errorOf(() => parseJson(jobFile("job.json", "{\n a}")))).toBe(
      "job.json:2:2: this is not valid JSON: Expected property name or '}'\n  2 |  a}\n    |  ^",
    );
  });

  it("that has none, or is worded differently, is shown as it is", async () => {
    expect(await errorOf(() => parseJson(jobFile("job.json", "{")))).toMatch(/^job\.json:1:2: |^job\.json: /);
    expect(await errorOf(() => parseJson(jobFile("job.json", '{"a":')))).toBe(
      "job.json: this is not valid JSON: Unexpected end of JSON input",
    );
    const text = "line 7, column 3: something else";
    expect(readSyntaxError(text)).toEqual({ message: text, line: 0, column: 0 });
  });
});
