import { describe, expect, it } from "vitest";
import { InvalidFile, jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { parseFile, readSyntaxErrors } from "../../../src/localAgent/jobspec/syntax.ts";

async function errorOf(name: string, source: string): Promise<string> {
  try {
    await parseFile(jobFile(name, source));
  } catch (thrown) {
    if (thrown instanceof InvalidFile) return thrown.summary;
    throw thrown;
  }
  return "none";
}

describe("an error of a parser", () => {
  it("has its position in HCL2, whatever the file's name looks like", async () => {
    expect(await errorOf("a:7,7: b; c.hcl", "a = \nb = = 3\n")).toBe(
      "a:7,7: b; c.hcl:1:5: this is not valid HCL2: Invalid expression: Expected the start of an expression, " +
        "but found an invalid expression token.\n  1 | a =\n    |     ^",
    );
  });

  it("is reported with the file's other errors, in the order of the lines", async () => {
    expect(await errorOf("job.hcl", "group {\n  count = \n  bar ~ 3\n}\n")).toMatch(
      /^job\.hcl has 2 errors:\njob\.hcl:2:11: .*Invalid expression: .*\njob\.hcl:3:7: .*Unsupported operator: /s,
    );
  });

  it("is reported alone if it causes errors in the lines after it", async () => {
    expect(await errorOf("job.hcl", 'a = "x\nb = "y"\nc = "z"\n')).toMatch(
      /^job\.hcl:1:7: this is not valid HCL2: Invalid multi-line string: [^:]*\n {2}1 \| a = "x\n {4}\| {7}\^$/,
    );
  });

  it("names a second place by the number of its line", async () => {
    expect(await errorOf("job.hcl", "a = 1\na = 2\n")).toContain(
      '"a" was already set in line 1. Each argument',
    );
  });

  it("shows only the surrounding part of a long line", async () => {
    const error = await errorOf("job.hcl", `a = "${"x".repeat(10_000)}" = "${"y".repeat(10_000)}"\n`);
    expect(error).toMatch(/^ {2}1 \| x+" = "y+\n {4}\| +\^$/m);
    expect(error.length).toBeLessThan(600);
  });

  it("has the position in JSON", async () => {
    expect(await errorOf("job.json", "{\n a}")).toBe(
      "job.json:2:2: this is not valid JSON: Expected property name or '}'\n  2 |  a}\n    |  ^",
    );
  });

  it("without a position, or with another wording, is shown unchanged", async () => {
    expect(await errorOf("job.json", "{")).toMatch(/^job\.json:1:2: |^job\.json: /);
    expect(await errorOf("job.json", '{"a":')).toBe(
      "job.json: this is not valid JSON: Unexpected end of JSON input",
    );
    const text = "line 7, column 3: something else";
    expect(readSyntaxErrors(text)).toEqual([{ message: text, position: undefined }]);
  });
});
