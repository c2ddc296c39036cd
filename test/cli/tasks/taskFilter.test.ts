/** Filters of `ps` and `top`, and templates for rows. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rowTemplate } from "../../../src/cli/tasks/rowTemplate.ts";
import { asksForEnded, hasFailed, taskFilter } from "../../../src/cli/tasks/taskFilter.ts";
import type { TaskRow } from "../../../src/cli/tasks/taskRow.ts";
import { taskResults } from "../../../src/machines/taskResults.ts";
import { errorOf } from "../../support/errors.ts";

const row = {
  ...{
    id: "6f2d4a9e-1/web/00000001",
    allocation: "6f2d4a9e-1",
    task: "web",
    job: "shop/periodic-17",
    group: "g",
  },
  ...{ namespace: "default", state: "recovered", result: null, user: "nomad-80001", uid: 80_001 },
  ...{ cpuPercent: 12.345, memoryBytes: 15_000_000, pid: null, memory: { rss: 7 } },
} as unknown as TaskRow;

const fits = (...filters: string[]) => taskFilter(filters)(row);

describe("a filter", () => {
  it.each([
    [["task=web"], true],
    [["task=we"], false],
    [["task=*eb"], true],
    [["job=shop*"], true],
    [["job=shop"], false],
    [["user=nomad-80001"], true],
    [["user=80001"], true],
    [["state=running"], true],
    [["state=failed"], false],
    [["allocation=6f2d"], true],
    [["id=6f2d4a9e-1/web"], true],
    [["failed"], false],
    [["task=db", "task=web"], true],
    [["task=web", "job=other"], false],
    [["task=w.b"], false],
    [[], true],
  ])("%j", (filters, expected) => {
    expect(fits(...filters)).toBe(expected);
  });

  it("finds each row by its own fields, whatever they are", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (task) => {
        fc.pre(!task.includes("*"));
        expect(taskFilter([`task=${task}`])({ ...row, task })).toBe(true);
        expect(taskFilter([`task=${task}`])({ ...row, task: `${task}x` })).toBe(false);
      }),
    );
  });

  it("failed means each end that nobody wanted", () => {
    const results = taskResults.filter((result) => hasFailed({ result, state: "destroyed" }));
    expect(results).toEqual(["failed", "killed", "out of memory", "never started", "lost"]);
    expect(hasFailed({ result: null, state: "gone" })).toBe(true);
    expect([["failed"], ["state=lost"], ["job=x"]].map(asksForEnded)).toEqual([true, true, false]);
  });

  it.each([
    ["jbo=x", "there is no filter jbo=x", "Did you mean job?"],
    ["state", "the filter state has no value", "It is state=VALUE"],
    ["constructor=x", "there is no filter constructor=x", "Known"],
    ["", "there is no filter", "Known"],
  ])("%j is refused", (filter, summary, hint) => {
    expect(errorOf(() => taskFilter([filter]))).toMatchObject({
      ...{ code: "EXPRESSION_INVALID", summary: expect.stringContaining(summary) },
      hint: expect.stringContaining(hint),
    });
  });
});

describe("a template", () => {
  it("has the fields of a row, with empty texts for what is unknown and whole numbers as they are", () => {
    const template =
      '{{.task}}\\t{{.pid}}\\t{{.memoryBytes}}\\t{{printf "%.1f" .cpuPercent}}\\t{{.memory.rss}}';
    expect(rowTemplate(template)(row)).toBe("web\t\t15000000\t12.3\t7");
    expect(rowTemplate('{{printf "%.1f %d" .cpuPercent .uid}}')({ ...row, cpuPercent: 12 })).toBe(
      "12.0 80001",
    );
    expect(rowTemplate('{{if eq .task "web"}}{{.job | toUpper}}{{end}}')(row)).toBe("SHOP/PERIODIC-17");
  });

  it("that is wrong says why, before or at the first row", () => {
    const problem = (source: string) => {
      const { code, summary } = errorOf(() => rowTemplate(source)(row));
      return { code, summary };
    };
    expect(problem("{{.tsak}}")).toEqual({
      code: "EXPRESSION_INVALID",
      summary: expect.stringContaining("there is no field tsak. Did you mean task?"),
    });
    for (const source of ["{{", "{{nothing .task}}", '{{env "HOME" | fail}}', "{{range .task}}{{end}}"])
      expect(problem(source).code).toBe("EXPRESSION_INVALID");
  });
});
