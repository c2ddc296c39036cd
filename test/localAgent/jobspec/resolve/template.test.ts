import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  render,
  replaceReferences,
  substitute,
} from "../../../../src/localAgent/jobspec/resolve/interpolate.ts";
import {
  escapeLiteral,
  parseTemplate,
  unescapeLiteral,
} from "../../../../src/localAgent/jobspec/resolve/template.ts";
import { TemplateError } from "../../../../src/localAgent/jobspec/templateError.ts";

/** Texts in which special characters are likely. */
const lively = fc.string({ unit: fc.constantFrom("$", "%", "{", "}", '"', "\\", "a", ".", " ", "é", "\n") });

const reference = (root: string, path: (string | number)[], text: string) => ({ root, path, text });

function refused(work: () => unknown): TemplateError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof TemplateError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was refused");
}

describe("template text", () => {
  it.each([
    ["plain", ["plain"]],
    ["", []],
    [`a $\${b} %%{c} $HOME`, [`a $\${b} %%{c} $HOME`]],
    [`\${x}`, [reference("x", [], "x")]],
    [`\${ var.image }`, [reference("var", ["image"], "var.image")]],
    [`\${NOMAD_PORT_my-port}`, [reference("NOMAD_PORT_my-port", [], "NOMAD_PORT_my-port")]],
    [`-\${env["A.B"]}-`, ["-", reference("env", ["A.B"], 'env["A.B"]'), "-"]],
    [`\${var.list[1].name}`, [reference("var", ["list", 1, "name"], "var.list[1].name")]],
    [`\${local.list.0}`, [reference("local", ["list", 0], "local.list.0")]],
    [`$\${\${x}}`, [`$\${`, reference("x", [], "x"), "}"]],
  ])("%j is parsed", (text, parts) => {
    expect(parseTemplate(text)).toEqual(parts);
  });

  it.each([
    [`\${1 + 2}`, `\${1 + 2}`],
    [`\${upper("}")}`, `\${upper("}")}`],
    [`\${a ? "x" : "y"}`, "does not evaluate"],
    ["%{ if a }b%{ endif }", "%{ } directives"],
    [`\${a`, "closing brace"],
    [`\${}`, "does not evaluate"],
    [`\${a..b}`, "does not evaluate"],
  ])("%j is refused", (text, message) => {
    expect(refused(() => parseTemplate(text)).message).toContain(message);
  });

  it("represents any literal if it is escaped", () => {
    fc.assert(
      fc.property(lively, (text) => {
        expect(unescapeLiteral(escapeLiteral(text))).toBe(text);
        expect(render(escapeLiteral(text), () => "never")).toBe(text);
        expect(replaceReferences(escapeLiteral(text), () => "never")).toBe(escapeLiteral(text));
      }),
    );
  });

  it("replaces every reference with its value and changes nothing else", () => {
    const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,5}$/);
    const piece = fc.record({ literal: lively, name, value: lively });
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.map((part) => `${escapeLiteral(part.literal)}|\${${part.name}}`).join("");
        const expected = [...pieces];
        const rendered = render(text, ({ root }) => {
          const next = expected.shift();
          expect(root).toBe(next?.name);
          return next?.value ?? "";
        });
        expect(rendered).toBe(pieces.map((part) => `${part.literal}|${part.value}`).join(""));
      }),
    );
  });
});

describe("substitution", () => {
  const known: Record<string, unknown> = { list: ["a", "b"], number: 7, text: "seven" };
  const lookup = ({ root, path }: { root: string; path: readonly (string | number)[] }) =>
    root === "var" ? known[String(path[0])] : undefined;

  it("keeps the type of a value if the text is nothing but its reference", () => {
    const value = { args: `\${var.list}`, n: `\${var.number}` };
    expect(substitute(value, (text) => replaceReferences(text, lookup))).toEqual({ args: ["a", "b"], n: 7 });
  });

  it("works in keys and at any depth, and keeps escapes and references that are resolved later", () => {
    const later = `\${NOMAD_TASK_DIR} $\${x}`;
    const value = Object.fromEntries([[`k-\${var.text}`, [`<\${var.number}>`, later, true, null]]]);
    expect(substitute(value, (text) => replaceReferences(text, lookup))).toEqual({
      "k-seven": ["<7>", later, true, null],
    });
  });

  it("refuses a list within a text, and the error has its place", () => {
    const value = { args: ["ok", `x \${var.list}`] };
    const error = refused(() => substitute(value, (text) => replaceReferences(text, lookup)));
    expect(error.message).toContain("var.list is not a single value");
    expect(error.path).toEqual(["args", 1]);
  });
});
