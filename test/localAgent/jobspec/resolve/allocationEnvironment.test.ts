import { describe, expect, it } from "vitest";
import { jobFile } from "../../../../src/localAgent/jobspec/jobFile.ts";
import {
  type AllocationFacts,
  baseEnvironment,
  runtimeLookup,
} from "../../../../src/localAgent/jobspec/resolve/allocationEnvironment.ts";
import { render } from "../../../../src/localAgent/jobspec/resolve/interpolate.ts";
import { resolveTask } from "../../../../src/localAgent/jobspec/resolve/resolveTask.ts";
import { parseJob } from "../../../support/parseJob.ts";

const facts: AllocationFacts = {
  allocIndex: 0,
  now: 0,
  allocId: "12345678-9abc-4def-8012-3456789abcde",
  folders: { alloc: "/w/alloc", task: "/w/t/local", secrets: "/w/t/secrets" },
  ports: [{ label: "my-port", ip: "127.0.0.1", port: 25_000, inside: 25_000 }],
  cores: "",
  hostEnv: { PATH: "/bin", HOME: "/root" },
  upstreams: {},
  node: { "node.unique.name": "here", "attr.kernel.name": "linux" },
};

async function environment(lines: string) {
  const source = `job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n${lines}\n}\n}\n}`;
  const file = jobFile("t.hcl", source);
  const job = await parseJob(file, { given: {}, environment: {} });
  const [group] = job.groups;
  const [task] = group?.tasks ?? [];
  if (!group || !task) throw new Error("no task");
  return resolveTask(file, { job, group, task }, facts, []).env;
}

describe("a task's environment", () => {
  it("has the number of the group's instance", async () => {
    const { groups, ...job } = await parseJob(
      jobFile("t.hcl", 'job "j" {\n group "g" {\n count = 3\n task "t" {\n driver = "exec2"\n}\n}\n}'),
      { given: {}, environment: {} },
    );
    const [group] = groups;
    const [task] = group?.tasks ?? [];
    if (!group || !task) throw new Error("no task");
    expect(baseEnvironment({ ...job, groups }, group, task, { ...facts, allocIndex: 2 })).toMatchObject({
      NOMAD_ALLOC_INDEX: "2",
      NOMAD_ALLOC_NAME: "j.g[2]",
    });
  });

  it("is what a Nomad client gives", async () => {
    expect(await environment('resources {\n memory_max = 400\n}\nmeta {\n colour = "teal"\n}')).toEqual({
      PATH: "/bin",
      HOME: "/root",
      NOMAD_ALLOC_DIR: "/w/alloc",
      NOMAD_TASK_DIR: "/w/t/local",
      NOMAD_SECRETS_DIR: "/w/t/secrets",
      NOMAD_ALLOC_ID: facts.allocId,
      NOMAD_SHORT_ALLOC_ID: "12345678",
      NOMAD_ALLOC_INDEX: "0",
      NOMAD_ALLOC_NAME: "j.g[0]",
      NOMAD_TASK_NAME: "t",
      NOMAD_GROUP_NAME: "g",
      NOMAD_JOB_ID: "j",
      NOMAD_JOB_NAME: "j",
      NOMAD_NAMESPACE: "default",
      NOMAD_REGION: "global",
      NOMAD_DC: "dc1",
      NOMAD_CPU_LIMIT: "100",
      NOMAD_CPU_CORES: " ",
      NOMAD_MEMORY_LIMIT: "300",
      NOMAD_MEMORY_MAX_LIMIT: "400",
      NOMAD_META_colour: "teal",
      NOMAD_META_COLOUR: "teal",
      NOMAD_IP_my_port: "127.0.0.1",
      NOMAD_HOST_IP_my_port: "127.0.0.1",
      NOMAD_PORT_my_port: "25000",
      NOMAD_HOST_PORT_my_port: "25000",
      NOMAD_ALLOC_PORT_my_port: "25000",
      NOMAD_ADDR_my_port: "127.0.0.1:25000",
      NOMAD_HOST_ADDR_my_port: "127.0.0.1:25000",
    });
  });

  it("has the job's own variables, which override others, with their references resolved", async () => {
    const env = await environment(`env {
      HOME = "/elsewhere"
      A = "\${NOMAD_TASK_DIR}/x \${env["PATH"]} \${node.unique.name} \${attr.kernel.name}"
      B = "$\${NOT_MINE}"
    }`);
    expect(env).toMatchObject({ HOME: "/elsewhere", A: "/w/t/local/x /bin here linux", B: `\${NOT_MINE}` });
  });
});

describe("a reference at run time", () => {
  const lookup = runtimeLookup({ NOMAD_PORT_my_port: "25000", "a.b": "dotted" }, facts.node);

  it.each([
    [`\${NOMAD_PORT_my-port}`, "25000"],
    [`\${env["a.b"]}`, "dotted"],
    [`\${node.unique.name}`, "here"],
  ])("that is %s is resolved", (text, value) => {
    expect(render(text, lookup)).toBe(value);
  });

  it.each([
    [`\${NOMAD_PROT_my_port}`, `\${NOMAD_PROT_my_port} is unknown. Did you mean \${NOMAD_PORT_my_port}?`],
    [
      `\${SHELL_VARIABLE}`,
      `To pass the text on unchanged, for instance to a shell, write $\${SHELL_VARIABLE}.`,
    ],
    [`\${meta.rack}`, "--node-meta rack=VALUE gives it. The job's own metadata is in NOMAD_META_…"],
    [`\${attr.kernel.nmae}`, `Did you mean \${attr.kernel.name}?`],
    [`\${toString}`, `\${toString} is unknown`],
  ])("%s is refused", (text, message) => {
    expect(() => render(text, lookup)).toThrow(message);
  });
});
