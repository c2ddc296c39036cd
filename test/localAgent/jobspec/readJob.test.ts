import { describe, expect, it } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import type { Job, Task } from "../../../src/localAgent/jobspec/job.ts";
import { jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { skippable } from "../../../src/localAgent/jobspec/keys.ts";
import { parseJob } from "../../support/parseJob.ts";

async function parse(source: string, given: Record<string, string> = {}, environment = {}): Promise<Job> {
  return parseJob(jobFile("test.hcl", source), { given, environment });
}

async function refusal(source: string, given: Record<string, string> = {}): Promise<string> {
  try {
    await parse(source, given);
  } catch (thrown) {
    if (thrown instanceof DriverError && /^JOB_(INVALID|NEEDS_CLUSTER)$/.test(thrown.code))
      return thrown.message;
    throw thrown;
  }
  throw new Error("nothing was refused");
}

const inTask = (lines: string) =>
  `job "j" {\n group "g" {\n  task "t" {\n   driver = "exec2"\n${lines}\n  }\n }\n}\n`;

async function task(lines: string): Promise<Task> {
  const job = await parse(inTask(lines));
  const [first] = job.groups[0]?.tasks ?? [];
  if (!first) throw new Error("no task");
  return first;
}

describe("a job file", () => {
  it("has Nomad's defaults", async () => {
    const job = await parse(inTask(""));
    expect(job).toMatchObject({
      id: "j",
      name: "j",
      namespace: "default",
      region: "global",
      datacenter: "dc1",
    });
    expect(job.groups[0]).toMatchObject({ name: "g", count: 1, network: { mode: "host", ports: [] } });
    expect(job.groups[0]?.tasks[0]).toEqual({
      name: "t",
      driver: "exec2",
      phase: "main",
      sidecar: false,
      leader: false,
      user: undefined,
      config: {},
      env: {},
      meta: {},
      resources: { cpuMhz: 100, cores: 0, memoryMb: 300, memoryMaxMb: undefined },
      killSignal: undefined,
      killTimeoutMs: 5_000,
      logsDisabled: false,
      templates: [],
      volumeMounts: [],
      secrets: [],
      checks: [],
    });
  });

  it("does not change the driver's config", async () => {
    const lines = `config {
      command = "sh"
      args = ["-c", "echo \${NOMAD_ALLOC_ID} $\${x}", 3, true]
      options = { "a.b" = 1 }
    }`;
    expect((await task(lines)).config).toEqual({
      command: "sh",
      args: ["-c", `echo \${NOMAD_ALLOC_ID} $\${x}`, 3, true],
      options: { "a.b": 1 },
    });
  });

  it.each([
    ['kill_timeout = "1m30s"', { killTimeoutMs: 90_000 }],
    ['kill_timeout = "500ms"', { killTimeoutMs: 500 }],
    ['kill_signal = "SIGTERM"', { killSignal: "SIGTERM" }],
    ['user = "nobody"', { user: "nobody" }],
    ['user = ""', { user: undefined }],
    ["leader = true", { leader: true }],
    ["logs {\n disabled = true\n}", { logsDisabled: true }],
    ["env {\n A = 1\n B = true\n C = null\n}", { env: { A: "1", B: "true" } }],
    ['env = {\n "A" = "x"\n}', { env: { A: "x" } }],
    ["resources {\n cores = 2\n}", { resources: { cpuMhz: 0, cores: 2, memoryMb: 300 } }],
    [
      "resources {\n cpu = 50\n memory = 16\n memory_max = 32\n}",
      { resources: { cpuMhz: 50, cores: 0, memoryMb: 16, memoryMaxMb: 32 } },
    ],
    ["resources {\n memory_max = -1\n}", { resources: { memoryMaxMb: -1 } }],
  ])("%j is understood", async (lines, expected) => {
    expect(await task(lines)).toMatchObject(expected);
  });

  it("may have tasks that run before, beside and after the main ones", async () => {
    const phases = ["prestart", "poststart", "poststop"].map(
      (hook) =>
        `task "${hook}" {\n driver = "exec2"\n lifecycle {\n hook = "${hook}"\n sidecar = ${hook !== "poststop"}\n}\n}`,
    );
    const source = `job "j" {\n group "g" {\n task "a" {\n driver = "exec2"\n}\n${phases.join("\n")}\n}\n}`;
    expect((await parse(source)).groups[0]?.tasks).toMatchObject([
      { name: "a", phase: "main", sidecar: false },
      { name: "poststart", phase: "poststart", sidecar: true },
      { name: "poststop", phase: "poststop", sidecar: false },
      { name: "prestart", phase: "prestart", sidecar: true },
    ]);
  });

  it("has templates, each with its own settings", async () => {
    const { templates } = await task(`
      template {
        data = <<-EOF
          one
            two
          EOF
        destination = "local/x"
        perms = "600"
      }
      template {
        data = "A=1"
        destination = "\${NOMAD_SECRETS_DIR}/env"
        env = true
        change_mode = "noop"
      }`);
    expect(templates).toMatchObject([
      { data: "one\n  two\n", destination: "local/x", perms: 0o600, env: false },
      { data: "A=1", destination: `\${NOMAD_SECRETS_DIR}/env`, env: true },
    ]);
  });

  it("has metadata that are joined from the job down to the task", async () => {
    const source = `job "j" {
      meta {
        a = "job"
        b = "job"
      }
      group "g" {
        meta {
          b = "group"
        }
        task "t" {
          driver = "exec2"
          meta {
            c = 3
          }
        }
      }
    }`;
    expect((await parse(source)).groups[0]?.tasks[0]?.meta).toEqual({ a: "job", b: "group", c: "3" });
  });

  it("may have a task directly in the job, which becomes a group of its own", async () => {
    const job = await parse('job "j" {\n task "t" {\n driver = "exec2"\n }\n}');
    expect(job.groups.map(({ name, tasks }) => [name, tasks.map((each) => each.name)])).toEqual([
      ["t", ["t"]],
    ]);
  });

  it("has ports and name servers", async () => {
    const source = `job "j" {
      group "g" {
        network {
          port "http" {}
          port "db" {
            static = 5432
            to = 5432
          }
          dns {
            servers = ["192.0.2.1"]
          }
        }
        task "t" {
          driver = "exec2"
        }
      }
    }`;
    expect((await parse(source)).groups[0]?.network).toEqual({
      mode: "host",
      ports: [
        { label: "db", static: 5432, to: 5432 },
        { label: "http", static: undefined, to: undefined },
      ],
      dns: { servers: ["192.0.2.1"], searches: [], options: [] },
    });
  });

  it("has a list of settings without an effect in a local run, each once, without the job's name", async () => {
    const source = `job "j" {
      update {
        max_parallel = "\${upper("not evaluated")}"
      }
      group "g" {
        restart {
          attempts = 0
        }
        task "t" {
          driver = "exec2"
          service {
            name = "x"
          }
          service {
            name = "y"
          }
        }
      }
    }`;
    expect((await parse(source)).ignored).toEqual(["group.g.restart", "group.g.task.t.service", "update"]);
  });
});

describe("a job file is refused", () => {
  it.each([
    [
      'kill_timeuot = "5s"',
      "test.hcl:5:1: job.j.group.g.task.t.kill_timeuot: there is no such attribute or block",
    ],
    ['kill_timeuot = "5s"', "Did you mean kill_timeout?"],
    ['kill_timeuot = "5s"', '\n  5 | kill_timeuot = "5s"\n    | ^'],
    ['kill_timeout = "5 s"', "task.t.kill_timeout: must be a duration such as 500ms, 5s or 1m30s"],
    ["user = 5", "task.t.user: "],
    ["resources {\n cpu = 5.5\n}", "task.t.resources.cpu: must be a whole number"],
    ["resources {\n cpu = 0\n}", "task.t.resources.cpu: must be at least 1 (MHz)"],
    ["resources {\n memory = 5\n}", "task.t.resources.memory: must be at least 10 (MiB)"],
    [
      "resources {\n memory = 50\n memory_max = 20\n}",
      "task.t.resources.memory_max: it is below memory (50)",
    ],
    ["resources {\n cpu = 50\n cores = 1\n}", "task.t.resources: cpu (MHz) and cores exclude each other"],
    ["resources {\n device {}\n}", "task.t.resources.device: devices are fingerprinted"],
    ['artifact {\n source = "x"\n}', "task.t.artifact: fetching artifacts is the Nomad client's work"],
    ["vault {}", "task.t.vault: a local run has no Vault"],
    [
      'volume_mount {\n volume = "x"\n destination = "/x"\n}',
      'task.t.volume_mount.volume: the group has no volume "x"',
    ],
    ["service {\n connect {\n sidecar_service {}\n }\n}", "task.t.service.connect: "],
    [
      'template {\n source = "x"\n destination = "y"\n}',
      "task.t.template.source: a local run takes templates only from",
    ],
    ['template {\n data = "x"\n}', "task.t.template.destination: a template needs a destination"],
    [
      'template {\n data = "x"\n destination = "y"\n perms = "rw"\n}',
      'must be an octal file mode such as "0644"',
    ],
    ['lifecycle {\n hook = "later"\n}', "task.t.lifecycle.hook: must be prestart, poststart or poststop"],
    ["config {}\nconfig {}", "task.t.config: there may be only one such block"],
    ["env {\n A = [1]\n}", "task.t.env.A: must be a string, a number"],
    [`env {\n A = "\${var.x}"\n}`, "task.t.env.A: there is no var.x. None is defined."],
    [
      `config {\n args = ["a", "\${1 + x}"]\n}`,
      "test.hcl:6:22: job.j.group.g.task.t.config.args[1]: x must be a number, but it is a string, known only to a running task",
    ],
    [
      `config {\n args = ["%{ if true }a%{ endif }", upcase("x")]\n}`,
      "test.hcl:6:37: job.j.group.g.task.t.config.args[1]: Nomad has no function upcase. Known names: ",
    ],
  ])("for %j", async (lines, message) => {
    expect(await refusal(inTask(lines))).toContain(message);
  });

  it("without showing a line that may hold a password", async () => {
    const message = await refusal(inTask(`env {\n PASSWORD = "correct-horse \${var.battery}"\n}`));
    expect(message).toContain("test.hcl:6:30: job.j.group.g.task.t.env.PASSWORD: there is no var.battery");
    expect(message).not.toContain("correct-horse");
  });

  it("for each wrong attribute, and for a wrong local value only once", async () => {
    const source = `locals {\n x = uper("a")\n}\n${inTask(`user = local.x\n leader = 1 / 0\n env {\n A = local.x\n}`)}`;
    const message = await refusal(source);
    expect(message).toContain("has 2 errors");
    expect(message).toContain("test.hcl:2:6: locals.x: Nomad has no function uper. Did you mean upper?");
    expect(message).toContain("task.t.leader: a division by zero");
    expect(message).not.toContain("depends on itself");
  });

  it("once for a number that is negative and below its minimum", async () => {
    const message = await refusal(inTask("resources {\n cpu = -1\n}"));
    expect(message).toContain("task.t.resources.cpu: must not be negative");
    expect(message).not.toContain("must be at least 1");
  });

  it("for another driver", async () => {
    const source = inTask("").replace("exec2", "docker");
    const place = "test.hcl:4:4: job.j.group.g.task.t.driver";
    expect(await refusal(source)).toContain(
      `${place}: this program runs tasks with driver = "exec2" only, not "docker"`,
    );
  });

  it.each([
    ["", "test.hcl: the file is empty"],
    ["# nothing", "test.hcl: there is no job block in this file"],
    ['job "a" {}\njob "b" {}', "there is more than one job block"],
    ['job "a" {}', "job.a: the job has no group, so there is nothing to run"],
    ['job "a" {\n group "g" {}\n}', "job.a.group.g: the group has no main task, so there is nothing to run"],
    [
      'job "a" {\n group "g" {\n  network {\n   mode = "cni/x"\n  }\n }\n}',
      "cni/x needs a plugin that a Nomad client calls",
    ],
    ['job "a" {\n parameterized {\n payload = "x"\n}\n}', "must be optional, required or forbidden"],
    [
      'job "a" {\n  group "g" {\n    count =\n  }\n}',
      "test.hcl:3:12: this is not valid HCL2: Invalid expression: ",
    ],
    ['job "a" {\n  group "g" {\n    count =\n  }\n}', "\n  3 |     count =\n    |            ^"],
    ['jbo "a" {}', "test.hcl:1:1: jbo: there is no such attribute or block"],
    ['{ "job": { } ', "test.hcl:1:14: this is not valid JSON: Expected "],
  ])("for %j as a whole", async (source, message) => {
    expect(await refusal(source)).toContain(message);
  });

  it.each([
    ["count = 2", "", "port.p: one host cannot give port 80 to all 2 instances of the group"],
    [
      "",
      'group "h" {\n network {\n port "q" {\n static = 80\n}\n}\n task "t" {\n driver = "exec2"\n}\n}',
      "group.h.network.port.q: one host cannot give port 80 to port p of group g and to this port",
    ],
  ])("for a static port that is used twice: by %j and %j", async (count, other, message) => {
    const port = 'network {\n port "p" {\n static = 80\n}\n}';
    const source = `job "a" {\n group "g" {\n ${count}\n ${port}\n task "t" {\n driver = "exec2"\n}\n}\n ${other}\n}`;
    expect(await refusal(source)).toContain(message);
  });

  it("for a local value that nothing uses, and for one that uses a wrong variable only once", async () => {
    const source = `variable "n" {\n type = number\n}\nlocals {\n a = var.n + 1\n b = 1 / 0\n c = try(local.b, 1)\n}\n`;
    const message = await refusal(source + inTask(`user = local.a\n leader = var.n`), { n: "x" });
    expect(message).toContain("has 2 errors");
    expect(message).toContain("variable.n: the value given must be of the type number");
    expect(message).toContain("test.hcl:6:10: locals.b: a division by zero");
  });
});

it("a port that would have to be mapped in the host's network keeps its number inside, as on a client", async () => {
  const source =
    'job "a" {\n group "g" {\n network {\n port "p" {\n to = 80\n}\n}\n task "t" {\n driver = "exec2"\n}\n}\n}';
  const job = await parse(source);
  expect(job.ignored).toEqual(["group.g.network.port.p.to"]);
  expect(job.groups[0]?.network.ports).toEqual([{ label: "p", static: undefined, to: 80 }]);
});

describe("variables", () => {
  const file = (declarations: string, value: string) =>
    `${declarations}\n${inTask(`env {\n V = ${value}\n}`)}`;
  const variable = async (source: string, given = {}, environment = {}) =>
    (await parse(source, given, environment)).groups[0]?.tasks[0]?.env.V;

  it("come from the command line, else from the environment, else from their defaults", async () => {
    const source = file('variable "v" {\n default = "default"\n}', "var.v");
    expect(await variable(source)).toBe("default");
    expect(await variable(source, {}, { NOMAD_VAR_v: "environment" })).toBe("environment");
    expect(await variable(source, { v: "given" }, { NOMAD_VAR_v: "environment" })).toBe("given");
  });

  it("have the types that the file declares", async () => {
    const source = file('variable "v" {\n type = list(string)\n}', `"\${var.v[1]}"`);
    expect(await variable(source, { v: '["a", "b"]' })).toBe("b");
    expect(await refusal(source, { v: "a,b" })).toContain(
      "variable.v: the value given must be of the type list",
    );
    const number = 'variable "v" {\n type = number\n}\n';
    const job = await parse(number + inTask("resources {\n memory = var.v\n}"), { v: "64" });
    expect(job.groups[0]?.tasks[0]?.resources.memoryMb).toBe(64);
    expect(await refusal(number + inTask(""), { v: "many" })).toContain(
      "variable.v: the value given must be of the type number",
    );
  });

  it("may not be a chain of local values that exhausts the stack", async () => {
    const chain = Array.from({ length: 5_000 }, (_, index) => `a${index} = upper(local.a${index + 1})`);
    const source = file(`locals {\n${chain.join("\n")}\na5000 = "x"\n}`, "local.a0");
    expect(await refusal(source)).toContain("local values depend on too many others");
  });

  it("without a type have the given text as their value, even if it looks like another type", async () => {
    const source = file('variable "v" {\n default = "x"\n}', "var.v");
    for (const given of ["007", "1e3", "true", '["a"]'])
      expect(await variable(source, { v: given })).toBe(given);
    const list = file("variables {\n v = [1]\n}", `"\${var.v[0]}"`);
    expect(await variable(list, { v: '["a"]' })).toBe("a");
  });

  it("can be used in locals, which may use one another", async () => {
    const declarations = `variable "v" {\n default = "x"\n}\nlocals {\n b = "\${local.a}!"\n a = "<\${var.v}>"\n}`;
    expect(await variable(file(declarations, "local.b"))).toBe("<x>!");
  });

  it("may be declared in one block with their defaults, and may have types and conditions", async () => {
    const source = file('variables {\n v = "x"\n n = [1, 2]\n}', 'format("%s%d", var.v, var.n[1])');
    expect(await variable(source)).toBe("x2");
    expect(await variable(source, { v: "y" })).toBe("y2");
    const typed = file(
      'variable "v" {\n type = map(number)\n default = { a = "1" }\n}',
      `"%{ for k, v in var.v }\${k}=\${v + 1};%{ endfor }"`,
    );
    expect(await variable(typed)).toBe("a=2;");
    expect(await variable(typed, { v: '{ b = 2, c = "3" }' })).toBe("b=3;c=4;");
    expect(await refusal(typed, { v: '{ b = "x" }' })).toContain(
      "variable.v: the value given must be of the type map(number)",
    );
    const condition = 'validation {\n condition = var.v > 2\n error_message = "v is too small."\n }';
    const checked = file(`variable "v" {\n type = number\n default = 3\n ${condition}\n}`, "var.v");
    expect(await variable(checked)).toBe("3");
    expect(await refusal(checked, { v: "1" })).toContain("variable.v: v is too small.");
  });

  it.each([
    [
      'variable "v" {}',
      "var.v",
      {},
      'variable.v: it has no default and no value was given\n  1 | variable "v" {}',
    ],
    [
      'variable "image" {\n default = ""\n}',
      '"x"',
      { imgae: "y" },
      "declares no variable imgae. Did you mean image?",
    ],
    [
      'variable "image" {\n default = ""\n}',
      "var.imgae",
      {},
      "task.t.env.V: there is no var.imgae. Did you mean image?",
    ],
    ["locals {\n a = local.b\n b = local.a\n}", "local.a", {}, "local.a depends on itself"],
    ['locals {\n a = { x = "y" }\n}', "local.a.z", {}, "local.a.z does not exist"],
  ])("of %j are refused if they do not fit", async (declarations, value, given, message) => {
    expect(await refusal(file(declarations, value), given)).toContain(message);
  });
});

describe("a dynamic block", () => {
  const job = (lines: string) =>
    parse(`variable "ports" {\n default = { web = 80, db = 5432 }\n}\njob "j" {\n${lines}\n}`);

  it("is one block for each item, with the item in its iterator", async () => {
    const { groups } = await job(`
      dynamic "group" {
        for_each = ["a", "b"]
        labels   = ["g-\${group.value}"]
        content {
          network {
            dynamic "port" {
              for_each = var.ports
              iterator = p
              labels   = [p.key]
              content { static = p.value + group.key }
            }
          }
          task "t" {
            driver = "exec2"
            env { NAME = "\${upper(group.value)} \${NOMAD_TASK_NAME}" }
            dynamic "template" {
              for_each = range(group.key)
              content {
                data        = "n=\${template.value}"
                destination = "local/\${group.value}-\${template.key}"
              }
            }
          }
        }
      }`);
    expect(groups.map(({ name }) => name)).toEqual(["g-a", "g-b"]);
    expect(groups[1]?.network.ports).toEqual([
      { label: "db", static: 5433, to: undefined },
      { label: "web", static: 81, to: undefined },
    ]);
    expect(groups[0]?.tasks[0]?.env).toEqual({ NAME: `A \${NOMAD_TASK_NAME}` });
    expect(groups[0]?.tasks[0]?.templates).toEqual([]);
    expect(groups[1]?.tasks[0]?.templates).toMatchObject([{ data: "n=0", destination: "local/b-0" }]);
  });

  it.each([
    [
      'dynamic "group" {\n for_each = 5\n content {}\n}',
      'for_each of dynamic "group" must be a list or a map, not a number',
    ],
    ['dynamic "group" {\n for_each = []\n}', 'dynamic "group" has no content block'],
    ['dynamic "gruop" {\n for_each = [1]\n content {}\n}', "Did you mean group?"],
  ])("%j is refused", async (lines, message) => {
    await expect(job(lines)).rejects.toThrow(message);
  });
});

describe("volumes", () => {
  const withVolume = (volume: string, mount: string) =>
    parse(
      `job "j" { group "g" { volume "data" { ${volume} } task "t" { driver = "exec2" volume_mount { ${mount} } } } }`
        .replaceAll("{", "{\n")
        .replaceAll("}", "\n}\n")
        .replaceAll(";", "\n")
        .replaceAll('"exec2"', '"exec2"\n'),
    );
  const host = 'type = "host"; source = "shop"';
  const mounted = 'volume = "data"; destination = "local/data"';

  it.each([
    [host, mounted, false],
    [`${host}; read_only = true`, mounted, true],
    [host, `${mounted}; read_only = true`, true],
  ])("%j with %j is read-only: %s", async (volume, mount, readOnly) => {
    const { groups, ignored } = await withVolume(volume, mount);
    expect(groups[0]?.tasks[0]?.volumeMounts).toMatchObject([
      { volume: { source: "shop" }, destination: "local/data", readOnly, propagation: "private" },
    ]);
    expect(ignored).toEqual([]);
  });

  it("of CSI are stood for by a folder that --host-volume names, for each instance of a per_alloc volume", async () => {
    const text = (perAlloc: boolean) =>
      `job "j" {\n group "g" {\n volume "data" {\n type = "csi"\n source = "shop"\n per_alloc = ${perAlloc}\n access_mode = "single-node-writer"\n mount_options {\n fs_type = "ext4"\n}\n}\n task "t" {\n driver = "exec2"\n volume_mount {\n volume = "data"\n destination = "local/data"\n}\n}\n}\n}`;
    const read = (perAlloc: boolean, skips: string[] = []) => {
      const hostVolumes = new Map([[perAlloc ? "shop[0]" : "shop", "/srv"]]);
      return parseJob(jobFile("t.hcl", text(perAlloc), { hostVolumes, skips }), {
        given: {},
        environment: {},
      });
    };
    for (const perAlloc of [false, true]) {
      const { groups, ignored } = await read(perAlloc);
      expect(groups[0]?.tasks[0]?.volumeMounts).toMatchObject([{ volume: { source: "shop", perAlloc } }]);
      expect(ignored).toEqual(["group.g.volume.data.access_mode", "group.g.volume.data.mount_options"]);
      expect((await read(perAlloc, ["csi"])).groups[0]?.tasks[0]?.volumeMounts).toEqual([]);
    }
  });

  it.each([
    ['source = "shop"', mounted, 'volume.data.type: the volume names no type: type = "host"'],
    ['type = "csi"; source = "shop"', mounted, "CSI volumes are attached by a Nomad client"],
    ['type = "host"', mounted, "volume.data.source: a volume needs source, its name on a cluster"],
    [host, 'volume = "date"; destination = "/x"', 'the group has no volume "date"'],
    [host, 'volume = "data"', "volume_mount.destination: a volume_mount needs a destination"],
    [host, `${mounted}; propagation_mode = "up"`, "must be private, host-to-task or bidirectional"],
    [host, `${mounted}; selinux_label = "Z"`, "selinux_label: the driver does not relabel files"],
  ])("%j with %j are refused", async (volume, mount, message) => {
    await expect(withVolume(volume, mount)).rejects.toThrow(message);
  });
});

describe("the checks of services", () => {
  const withService = (service: string, task = "") =>
    `job "j" {\n group "g" {\n network {\n port "http" {}\n}\n service {\n${service}\n}\n task "t" {\n driver = "exec2"\n${task}\n}\n}\n}`;
  const http = 'check {\n type = "http"\n path = "/health"\n interval = "5s"\n timeout = "2s"\n}';

  it("have their service's port, name and restarts", async () => {
    const restart = 'check_restart {\n limit = 3\n grace = "10s"\n}';
    const { groups, ignored } = await parse(
      withService(
        `name = "web"\n port = "http"\n tags = ["a"]\n ${restart}\n ${http}`,
        `service {\n port = 80\n}`,
      ),
    );
    expect(groups[0]?.checks).toEqual([
      {
        name: "web: http on /health",
        probe: {
          kind: "http",
          port: "http",
          secure: false,
          verifies: true,
          method: "GET",
          path: "/health",
          headers: {},
          body: "",
        },
        task: undefined,
        intervalMs: 5_000,
        timeoutMs: 2_000,
        successBeforePassing: 1,
        failuresBeforeCritical: 1,
        restart: { limit: 3, graceMs: 10_000 },
      },
    ]);
    expect(ignored).toEqual(["group.g.service.tags", "group.g.task.t.service"]);
  });

  it("may be scripts of a task, and may have names of their own", async () => {
    const script =
      'check {\n type = "script"\n name = "up"\n command = "true"\n args = ["x"]\n interval = "1m"\n timeout = "1s"\n failures_before_critical = 3\n}';
    const { groups } = await parse(
      withService(http.replace("{", '{\n port = "80"'), `service {\n${script}\n}`),
    );
    expect(groups[0]?.checks).toMatchObject([
      { name: "g: http on /health", probe: { port: "80" } },
      {
        name: "t: up",
        task: "t",
        probe: { kind: "script", command: "true", args: ["x"] },
        failuresBeforeCritical: 3,
        restart: undefined,
      },
    ]);
  });

  it.each([
    [http, "service.check: neither the check nor its service names a port"],
    [`port = "htp"\n${http}`, "check g: http on /health: the group's network has no port htp"],
    [`port = "http"\n${http.replace("/health", "health")}`, "service.check.path: must begin with /"],
    [`port = "http"\n${http.replace("5s", "5ms")}`, "service.check.interval: must be at least 1s"],
    [
      `port = "http"\n${http.replace('"http"', '"htpp"')}`,
      "service.check.type: must be http, tcp, script or grpc",
    ],
    [
      'check {\n type = "script"\n command = "x"\n interval = "5s"\n timeout = "2s"\n}',
      "a script check of a group's service must name the task that runs the script: task =",
    ],
    [
      'check {\n type = "script"\n task = "u"\n command = "x"\n interval = "5s"\n timeout = "2s"\n}',
      "the group has no task u",
    ],
    ["prot = 5", "Did you mean port?"],
  ])("with %j are refused", async (service, message) => {
    expect(await refusal(withService(service))).toContain(message);
  });
});

describe("an unsupported block that --skip can leave out", () => {
  const source = `job "j" {
    vault {}
    group "g" {
      volume "data" {
        type   = "csi"
        source = "shop"
      }
      service {
        connect {
          sidecar_service {}
        }
      }
      task "t" {
        driver = "exec2"
        artifact {
          source = "x"
        }
        volume_mount {
          volume      = "data"
          destination = "/data"
        }
      }
    }
  }`;

  it("is refused, and the error has its name for --skip", async () => {
    const message = await refusal(source);
    for (const name of ["vault", "csi", "connect", "artifact"]) {
      expect(message).toMatch(new RegExp(`--skip \\S*\\b${name}\\b\\S* goes on without these parts`));
    }
  });

  it("is reported, and the rest of the job is unchanged", async () => {
    const job = await parseJob(jobFile("t.hcl", source, { skips: ["vault", "csi", "connect", "artifact"] }), {
      given: {},
      environment: {},
    });
    expect(job.ignored).toEqual(
      expect.arrayContaining([
        "group.g.service.connect",
        "group.g.task.t.artifact",
        "group.g.volume.data",
        "vault",
      ]),
    );
    expect(job.groups[0]?.tasks[0]?.volumeMounts).toEqual([]);
  });

  it("may be the templates, whatever they ask for", async () => {
    const text = `job "j" {
      group "g" {
        task "t" {
          driver = "exec2"
          template {
            source      = "x"
            destination = "local/x"
          }
          template {
            data        = "{{ caRoots }}"
            destination = "local/y"
          }
        }
      }
    }`;
    const values = { given: {}, environment: {} };
    const job = await parseJob(jobFile("t.hcl", text, { skips: ["template"] }), values);
    expect(job.groups[0]?.tasks[0]?.templates).toMatchObject([{ destination: "local/y" }]);
    expect(job.ignored).toContain("group.g.task.t.template");
  });

  it("is named in full", () => {
    expect(skippable()).toEqual(
      expect.arrayContaining(["artifact", "connect", "consul", "csi", "identity", "template", "vault"]),
    );
    expect(skippable()).not.toContain("driver");
  });
});

describe("a group's host name", () => {
  const named = (mode: string) =>
    parse(
      `job "j" {\n group "g" {\n network {\n mode = "${mode}"\n hostname = "web"\n}\n task "t" {\n driver = "exec2"\n}\n}\n}`,
    );

  it("is the group's own in a network of its own, and the host's in the host's network", async () => {
    expect((await named("none")).groups[0]?.network).toMatchObject({ mode: "none", hostname: "web" });
    const { groups, ignored } = await named("host");
    expect(groups[0]?.network.hostname).toBeUndefined();
    expect(ignored).toEqual(["group.g.network.hostname"]);
  });
});

describe("a task's name", () => {
  const named = (name: string) =>
    `job "j" {\n group "g" {\n  task ${JSON.stringify(name)} {\n   driver = "exec2"\n  }\n }\n}\n`;

  it.each([".", "..", "../other", "a/b", "/", "a\\b", "alloc", "a\nb", "x".repeat(201), "ü".repeat(101)])(
    "is refused: %j",
    async (name) => {
      expect(await refusal(named(name))).toMatch(/: (a task's name|a task may not|the folder)/);
    },
  );

  it.each(["...", ".hidden", "-n", "--", "a b", "[*?]", "\u001b[31m", "x".repeat(200), "ü".repeat(100)])(
    "may be any other: %j",
    async (name) => {
      const job = await parse(named(name));
      expect(job.groups[0]?.tasks.map((each) => each.name)).toEqual([name]);
    },
  );

  it("is refused if it contains a NUL, which the JSON form can express", async () => {
    const source = JSON.stringify({
      job: { j: { group: { g: { task: { "a\0b": { driver: "exec2" } } } } } },
    });
    const file = jobFile("test.json", source);
    await expect(parseJob(file, { given: {}, environment: {} })).rejects.toMatchObject({
      code: "JOB_INVALID",
    });
  });
});
