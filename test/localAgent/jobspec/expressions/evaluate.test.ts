// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL has such braces, too
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hclEvaluator } from "../../../../src/localAgent/jobspec/expressions/hcl.ts";
import { itemOf, type Value } from "../../../../src/localAgent/jobspec/expressions/values.ts";
import { TemplateError } from "../../../../src/localAgent/jobspec/templateError.ts";

const variables: Record<string, Value> = {
  name: "web",
  list: ["a", "b", "c"],
  numbers: [3, 1, 2],
  map: { b: 2, a: 1 },
  people: [
    { name: "ada", age: 36 },
    { name: "alan", age: 41 },
  ],
  nothing: null,
  yes: true,
  "with-dash": "dashed",
};
const hcl = hclEvaluator();
const lookup = (root: string, [step]: readonly (string | number)[], text: string) =>
  root === "var" ? { value: itemOf(variables, step ?? null, text), steps: 1 } : undefined;
const text = (source: string) => hcl.evaluate(source, lookup);
const value = (source: string) => hcl.constant(source, lookup);

function refused(source: string): TemplateError {
  try {
    value(source);
  } catch (thrown) {
    if (thrown instanceof TemplateError) return thrown;
    throw thrown;
  }
  throw new Error(`${source} was not refused`);
}

describe("an expression", () => {
  it.each([
    ["1 + 2 * 3", 7],
    ["(1 + 2) * 3", 9],
    ["10 - 4 - 3", 3],
    ["7 % 4 / 2", 1.5],
    ["-2 - -3", 1],
    ["!true || 1 < 2 && 2 >= 2", true],
    ["1 == 1 != false", true],
    ['"1" == 1', false],
    ['"5" * 2', 10],
    ["1.5e3", 1500],
    ["null", null],
    ['var.yes ? "on" : "off"', "on"],
    ['false ? 1 : false ? 2 : "three"', "three"],
    ["var.list[1]", "b"],
    ["var.list.1", "b"],
    ['var.map["b"]', 2],
    ["var.map.a", 1],
    ["var.with-dash", "dashed"],
    ["var.people[*].name", ["ada", "alan"]],
    ["var.people.*.age", [36, 41]],
    ["var.nothing[*].name", []],
    ["var.name[*]", ["web"]],
    ["[1, [2], ]", [1, [2]]],
    ["[for x in var.numbers : x * 2 if x > 1]", [6, 4]],
    ["[for i, x in var.list : i]", [0, 1, 2]],
    ['[for k, v in var.map : format("%s=%d", k, v)]', ["a=1", "b=2"]],
    ["{for p in var.people : p.name => p.age}", { ada: 36, alan: 41 }],
    ["{for p in var.people : substr(p.name, 0, 1) => p.name...}", { a: ["ada", "alan"] }],
    ['{ a = 1, "b" : 2, (var.name) = 3 }', { a: 1, b: 2, web: 3 }],
    ["{\n  a = 1 # one\n  b = [\n 2,\n 3 ]\n}", { a: 1, b: [2, 3] }],
    ["{}", {}],
    ["merge({ a = 1 }, { a = 2, c = 3 })", { a: 2, c: 3 }],
    ["max(var.numbers...)", 3],
    ['"<${var.name}>-${1 + 1}"', "<web>-2"],
    ['"a\\tb\\n\\"\\u00e9\\\\"', 'a\tb\n"é\\'],
    ['"%{ if var.yes }y%{ else }n%{ endif }"', "y"],
    ['"%{ for x in var.list }${x},%{ endfor }"', "a,b,c,"],
    ['"a  ${~ var.name ~}  b"', "awebb"],
    ["<<EOF\n one\n ${var.name}\nEOF\n", " one\n web\n"],
    ["<<-EOF\n   one\n     two\n   EOF\n", "one\n  two\n"],
    ["/* a */ 1 // b", 1],
    ["1 # b\n + 2", 3],
    ['try(var.missing, var.list[9], "fallback")', "fallback"],
    ["can(var.missing)", false],
    ["can(var.name)", true],
    ['convert("5", number)', 5],
    ['convert(["b", "a", "b"], set(string))', ["a", "b"]],
    ['convert({ a = "1", b = 2 }, object({ a = number }))', { a: 1 }],
  ])("%s", (source, expected) => {
    expect(value(source)).toEqual(expected);
  });

  it("keeps references that only the client can resolve, also in functions and texts", () => {
    expect(value("NOMAD_PORT_http")).toBe("${NOMAD_PORT_http}");
    expect(value('env["HOME"]')).toBe('${env["HOME"]}');
    expect(value("attr.kernel.name")).toBe("${attr.kernel.name}");
    expect(value('format("%s:%s", NOMAD_IP_a, var.name)')).toBe("${NOMAD_IP_a}:web");
    expect(value("env[var.name]")).toBe('${env["web"]}');
    expect(text("a ${NOMAD_TASK_DIR} $${b} %%{c}")).toBe("a ${NOMAD_TASK_DIR} $${b} %%{c}");
  });

  it.each([
    ["1 + true", "true must be a number, but it is a bool"],
    ["1 / 0", "a division by zero"],
    ["var.name ? 1 : 2", "var.name must be true or false"],
    ["!NOMAD_META_x", "known only to a running task"],
    ["var.list[3]", "the list has 3 items, and no item 3"],
    ["var.map.c", "var.map.c does not exist: there is no c (there are: b, a)"],
    ["var.name.x", "a string has no items"],
    ['"${var.list}"', undefined],
    ['"a${var.list}"', "var.list is a list and cannot be part of a string"],
    ["uper(var.name)", "Nomad has no function uper. Did you mean upper?"],
    ["upper()", "upper: it takes one parameter, but got 0"],
    ["upper(var.list)", "upper: its 1st parameter must be a string, but it is a list"],
    ['join(",")', "join: it takes 2 parameters or more, but got 1"],
    ["try(var.a, var.b)", "try: none of its expressions has a value"],
    ['{for x in var.list : "k" => x}', "the key k occurs twice"],
    ["[for x in var.name : x]", "for iterates over a list or a map, not over a string"],
    ["convert(1, strng)", "convert: there is no type strng. Did you mean string?"],
    ["convert({}, object({ a = string }))", "convert: it lacks the attribute a"],
    ["1 +", "an expression is expected here (the expression ends too early)"],
    ["[1, 2", "] is expected here"],
    ['"a', 'the closing " is missing'],
    ['"\\q"', "there is no escape \\q"],
    ["{ a = 1 b = 2 }", "a comma or the end of the line is expected here"],
    ['"%{ if true }a"', "%{ endif } is missing"],
    ["<<EOF\nx\n", "the line EOF, which ends the heredoc, is missing"],
    ["1 2", "the expression should end here"],
  ])("%s is refused", (source, message) => {
    if (message === undefined) expect(value(source)).toEqual(variables.list);
    else expect(refused(source).message).toContain(message);
  });

  it("that is far too deep or too long is refused, and does not exhaust the stack", () => {
    for (const source of [
      `${"(".repeat(5_000)}1${")".repeat(5_000)}`,
      `${"!".repeat(5_000)}true`,
      `1${" + 1".repeat(5_000)}`,
      `var${".a".repeat(5_000)}`,
      `${"true ? 1 : ".repeat(5_000)}1`,
      `"${"%{ if true }".repeat(5_000)}"`,
    ]) {
      expect(refused(source).message).toMatch(/too deeply|too long/);
    }
  });

  it("with nested loops is refused at a limit of iterations", () => {
    const loops = "[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]";
    expect(refused(loops).message).toContain("the loops have more than 1000000 iterations");
  });

  it("reports the text of its wrong part, by which the place in the file is found", () => {
    expect(refused('[upper("a"), lower([])]').text).toBe("lower([])");
    expect(refused("1 + (2 * var.list)").text).toBe("var.list");
  });
});

/** An expression with its value, both generated from the same choices. */
const arithmetic = fc.letrec<{ node: [string, number] }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.nat(9).map((n): [string, number] => [String(n), n]),
    fc
      .tuple(tie("node"), fc.constantFrom("+", "-", "*"), tie("node"))
      .map(([a, operator, b]): [string, number] => {
        const results: Record<string, number> = { "+": a[1] + b[1], "-": a[1] - b[1], "*": a[1] * b[1] };
        return [`(${a[0]}) ${operator} (${b[0]})`, results[operator] as number];
      }),
    tie("node").map((a): [string, number] => [`-(${a[0]})`, -a[1]]),
  ),
})).node;

const json: fc.Arbitrary<Value> = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Value>;

describe("any expression", () => {
  it("of numbers has the value that its parentheses determine", () => {
    fc.assert(fc.property(arithmetic, ([source, expected]) => value(source) === expected));
  });

  it("has the operator precedence of JavaScript", () => {
    const operator = fc.constantFrom("+", "-", "*", "<", ">", "<=", ">=");
    fc.assert(
      fc.property(fc.array(fc.tuple(operator, fc.nat(9)), { maxLength: 6 }), fc.nat(9), (rest, first) => {
        // HCL does not allow chained comparisons, so an expression has at most one.
        const kept = rest.filter(
          ([name], index) => !name.match(/[<>]/) || rest.findIndex(([n]) => n.match(/[<>]/)) === index,
        );
        const source = `${first}${kept.map(([name, number]) => ` ${name} ${number}`).join("")}`;
        expect(value(source)).toEqual(new Function(`return ${source}`)());
      }),
    );
  });

  it("is evaluated or refused, whatever the text", () => {
    const piece = fc.constantFrom(
      ...'${ %{ } ( ) [ ] { , . : ? = => ... " \\ + - * ! a var var.list for in if x 1 << EOF \n ~ endfor'.split(
        " ",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          text(pieces.join(""));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(TemplateError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("that is JSON has the value that JSON.parse gives", () => {
    fc.assert(
      fc.property(json, (data) => {
        const source = JSON.stringify(data).replaceAll(/[$%]\{/g, (opening) => opening[0] + opening);
        // Escapes in literal text stay until the client resolves it.
        const escaped = JSON.parse(source);
        expect(hcl.constant(source, lookup)).toEqual(escaped);
      }),
    );
  });
});
