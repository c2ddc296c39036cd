import { describe, expect, it } from "vitest";
import type { Template } from "../../../src/jobspec/job.ts";
import { parseEnvFile, renderData } from "../../../src/jobspec/resolve/renderData.ts";

const template = (data: string, delimiters: Partial<Template> = {}): Template => ({
  data,
  destination: "local/x",
  perms: 0o644,
  env: false,
  uid: undefined,
  gid: undefined,
  leftDelimiter: "{{",
  rightDelimiter: "}}",
  ...delimiters,
});

describe("a template's text", () => {
  const facts = { env: { NAME: "web", EMPTY: "" }, now: 0 };

  it.each([
    ["plain\n", "plain\n"],
    ['<{{ env "NAME" }}>{{env `NAME`}}', "<web>web"],
    ['<{{ env "EMPTY" }}{{ env "UNSET" }}>', "<>"],
    [`$\${x} \${LATER} $y`, `\${x} \${LATER} $y`],
  ])("%j is rendered", (data, text) => {
    expect(renderData(template(data), facts)).toBe(text);
  });

  it("has the delimiters that its block sets", () => {
    const custom = template('{{ kept }} [[ env "NAME" ]]', { leftDelimiter: "[[", rightDelimiter: "]]" });
    expect(renderData(custom, facts)).toBe("{{ kept }} web");
  });

  it.each([
    ['a\n{{ key "x" }}', "line 2 of the template: key needs Consul, and a local run has none"],
    ["{{ range nomadServices }}{{ end }}", "nomadServices needs a Nomad server, and a local run has none"],
    ["{{ env", "{{ without }}"],
  ])("%j is refused", (data, message) => {
    expect(() => renderData(template(data), facts)).toThrow(message);
  });
});

describe("variables from a template", () => {
  it("are its KEY=value lines", () => {
    const text = '# comment\n\nA=1\nexport B = two words \nC=\'$x "y"\'\nD="a\\nb \\"c\\""\nE=\nF=a=b\n';
    expect(parseEnvFile(text)).toEqual({
      A: "1",
      B: "two words",
      C: '$x "y"',
      D: 'a\nb "c"',
      E: "",
      F: "a=b",
    });
  });

  it("are refused with the number of the line, but without its content", () => {
    expect(() => parseEnvFile("A=1\nsecret text")).toThrow(/^line 2 is not of the form KEY=value$/);
  });
});
