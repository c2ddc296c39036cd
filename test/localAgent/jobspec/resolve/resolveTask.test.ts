import { describe, expect, it } from "vitest";
import { jobFile, throwCollected } from "../../../../src/localAgent/jobspec/jobFile.ts";
import { resolveTask } from "../../../../src/localAgent/jobspec/resolve/resolveTask.ts";
import { errorOf } from "../../../support/errors.ts";
import { parseJob } from "../../../support/parseJob.ts";

const file = jobFile(
  "t.hcl",
  'job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n env {\n NAME = "web"\n EMPTY = ""\n}\n}\n}\n}',
);
const job = await parseJob(file, { given: {}, environment: {} });
const [group = expect.fail("no group")] = job.groups;
const [task = expect.fail("no task")] = group.tasks;

/** Resolves the task with one template. */
function resolved(data: string, { left = "{{", right = "}}", env = false, skips = [""] } = {}) {
  const template = {
    place: "template",
    data,
    destination: "local/x",
    perms: 0o644,
    env,
    uid: undefined,
    gid: undefined,
    leftDelimiter: left,
    rightDelimiter: right,
  };
  const facts = {
    allocId: "12345678-9abc-4def-8012-3456789abcde",
    allocIndex: 0,
    folders: { alloc: "/w/alloc", task: "/w/t/local", secrets: "/w/t/secrets" },
    ports: [],
    cores: "",
    hostEnv: {},
    now: 0,
    upstreams: {},
    node: {},
  };
  const resolving = { ...file, skips: new Set(skips), problems: [] };
  const result = resolveTask(resolving, { job, group, task: { ...task, templates: [template] } }, facts, []);
  throwCollected(resolving);
  return result;
}

describe("a template's text", () => {
  it.each([
    ["plain\n", "plain\n"],
    ['<{{ env "NAME" }}>{{env `NAME`}}', "<web>web"],
    ['<{{ env "EMPTY" }}{{ env "UNSET" }}>', "<>"],
    [`$\${x} \${LATER} $y`, `\${x} \${LATER} $y`],
  ])("%j is rendered", (data, text) => {
    expect(resolved(data).files).toMatchObject([{ path: "/w/t/local/x", content: text }]);
  });

  it("has the delimiters that its block sets", () => {
    const [rendered] = resolved('{{ kept }} [[ env "NAME" ]]', { left: "[[", right: "]]" }).files;
    expect(rendered?.content).toBe("{{ kept }} web");
  });

  it.each([
    ['a\n{{ key "x" }}', "line 2 of the template: key needs Consul, and a local run has none"],
    [
      "{{ range nomadServices }}{{ end }}",
      "nomadServices needs a Nomad server, and a local run has none; --values",
    ],
    ["{{ env", "{{ without }}"],
  ])("%j is refused", (data, message) => {
    expect(() => resolved(data)).toThrow(message);
  });

  it("is skipped if it asks a server, but not without need, and not if it is wrong", () => {
    const skips = ["template"];
    expect(resolved('{{ key "x" }}', { skips }).files).toEqual([]);
    expect(resolved('{{ env "NAME" }}', { skips }).files).toMatchObject([{ content: "web" }]);
    expect(() => resolved('{{ kee "x" }}{{ key "x" }}', { skips })).toThrow("there is no function kee");
  });
});

describe("variables from a template", () => {
  it("are its KEY=value lines", () => {
    const text = '# comment\n\nA=1\nexport B = two words \nC=\'$x "y"\'\nD="a\\nb \\"c\\""\nE=\nF=a=b\n';
    expect(resolved(text, { env: true }).env).toMatchObject({
      A: "1",
      B: "two words",
      C: '$x "y"',
      D: 'a\nb "c"',
      E: "",
      F: "a=b",
    });
    expect(resolved(text).env).not.toHaveProperty("A");
  });

  it("are refused with the number of the wrong line, but without its content", () => {
    const { message } = errorOf(() => resolved("A=1\nsecret text", { env: true }));
    expect(message).toMatch(/template: line 2 is not of the form KEY=value$/);
    expect(message).not.toContain("secret text");
  });
});
