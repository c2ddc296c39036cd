/** What a caller gives a job besides its file: tasks, a dispatch, a node's facts, addresses of upstreams. */
import { describe, expect, it } from "vitest";
import { goPatterns } from "../../../src/localAgent/files/goPatterns.ts";
import { noHost } from "../../../src/localAgent/jobspec/expressions/functions/files.ts";
import { type FileReading, InvalidFile, jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { resolveTask } from "../../../src/localAgent/jobspec/resolve/resolveTask.ts";
import { parseJob } from "../../support/parseJob.ts";

const host = { ...noHost, patterns: goPatterns() };
const variables = { given: {}, environment: {} };
const read = (source: string, reading: FileReading = {}) =>
  parseJob(jobFile("t.hcl", source, { host, ...reading }), variables);

async function problems(source: string, reading: FileReading = {}) {
  const thrown = await read(source, reading).catch((error: unknown) => error);
  if (!(thrown instanceof InvalidFile)) throw new Error("it was not refused");
  return thrown.problems.map(({ message, hint, lacking = false, skip }) => ({
    message,
    hint,
    lacking,
    skip,
  }));
}

/** The environment and the files of the job's first task. */
async function resolved(source: string, reading: FileReading = {}) {
  const file = jobFile("t.hcl", source, { host, ...reading });
  const job = await parseJob(file, variables);
  const [group = expect.fail()] = job.groups;
  const [task = expect.fail()] = group.tasks;
  const facts = {
    allocId: "12345678-9abc-4def-8012-3456789abcde",
    allocIndex: 0,
    folders: { alloc: "/w/alloc", task: "/w/t/local", secrets: "/w/t/secrets" },
    ports: [],
    cores: "",
    hostEnv: {},
    now: 0,
    upstreams: file.upstreams,
    node: file.node,
  };
  const { env, files } = resolveTask(file, { job, group, task }, facts, []);
  return { env, files, problems: file.problems };
}

const parameterized = (block: string, task = "") =>
  `job "j" {\n type = "batch"\n meta {\n a = "file"\n b = "file"\n}\n parameterized {\n${block}\n}\n group "g" {\n task "t" {\n driver = "exec2"\n${task}\n}\n}\n}`;

describe("a dispatch", () => {
  const block = 'meta_required = ["a"]\n meta_optional = ["c"]';
  const payload = Buffer.from([0, 255, 10]);

  it("gives its metadata, before that of the job, and its payload", async () => {
    const dispatch = { meta: { a: "given" }, payload };
    const source = parameterized(block, 'dispatch_payload {\n file = "in/data"\n}');
    const { env, files } = await resolved(source, { dispatch });
    expect(env).toMatchObject({ NOMAD_META_a: "given", NOMAD_META_b: "file" });
    expect(files).toMatchObject([{ path: "/w/t/local/in/data", content: payload }]);
  });

  it("without a payload writes no file", async () => {
    const source = parameterized(block, 'dispatch_payload {\n file = "data"\n}');
    const { files } = await resolved(source, { dispatch: { meta: { a: "x" }, payload: undefined } });
    expect(files).toEqual([]);
  });

  it("that lacks something says how to give it", async () => {
    expect(await problems(parameterized(`${block}\n payload = "required"`))).toEqual([
      {
        message: "a dispatch must give it the metadata a",
        hint: "--meta a=VALUE gives it.",
        lacking: true,
        skip: "parameterized",
      },
      {
        message: "a dispatch must give it a payload",
        hint: "--payload FILE gives it.",
        lacking: true,
        skip: "parameterized",
      },
    ]);
  });

  it.each([
    [`${block}\n payload = "forbidden"`, { meta: { a: "x" }, payload }, "it takes no payload"],
    [block, { meta: { a: "x", d: "x" }, payload: undefined }, "it takes no metadata d"],
    [
      block,
      { meta: { a: "x" }, payload: Buffer.alloc(20_000) },
      "the payload has 20 KiB, and Nomad takes at most 16 KiB",
    ],
  ])("that gives too much is refused: %#", async (lines, dispatch, message) => {
    expect(await problems(parameterized(lines), { dispatch })).toMatchObject([{ message, lacking: false }]);
  });

  it("is refused by a job that is not parameterized", async () => {
    const source = 'job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n}\n}\n}';
    expect(await problems(source, { dispatch: { meta: { a: "x" }, payload: undefined } })).toMatchObject([
      { message: "the job is not parameterized, so it takes neither --meta nor --payload", lacking: false },
    ]);
  });

  it("writes its payload only into the folder local", async () => {
    const source = parameterized(block, 'dispatch_payload {\n file = "../../x"\n}');
    const { problems: found } = await resolved(source, { dispatch: { meta: { a: "x" }, payload } });
    expect(found).toMatchObject([{ message: "../../x is not in the folder local" }]);
  });

  it("of a job in the form of Nomad's API is the same", async () => {
    const task = { Name: "t", Driver: "exec2", DispatchPayload: { File: "data" } };
    const job = {
      ID: "j",
      ParameterizedJob: { Payload: "required", MetaRequired: ["a"], MetaOptional: null },
      TaskGroups: [{ Name: "g", Tasks: [task] }],
    };
    const { files } = await resolved(JSON.stringify({ Job: job }), {
      dispatch: { meta: { a: "x" }, payload },
    });
    expect(files).toMatchObject([{ path: "/w/t/local/data" }]);
  });
});

describe("chosen tasks", () => {
  const source = `job "j" {
    group "a" {
      task "web" {
        driver = "exec2"
      }
      task "init" {
        driver = "exec2"
        lifecycle {
          hook    = "prestart"
          sidecar = true
        }
      }
      service {
        port = "1"
        check {
          type     = "script"
          task     = "init"
          command  = "true"
          interval = "1s"
          timeout  = "1s"
        }
      }
    }
    group "b" {
      task "db" {
        driver = "docker"
        colour = "blue"
      }
    }
  }`;

  it("are the only ones that are read and run", async () => {
    const job = await read(source, { tasks: ["web"] });
    expect(
      job.groups.map(({ name, tasks, checks }) => [name, tasks.map((task) => task.name), checks]),
    ).toEqual([["a", ["web"], []]]);
    expect(job.ignored).toEqual(["group.a.task.init", "group.b.task.db"]);
  });

  it("run by themselves, even if they are no main tasks", async () => {
    const job = await read(source, { tasks: ["init"] });
    expect(job.groups[0]?.tasks).toMatchObject([{ name: "init", phase: "main", sidecar: false }]);
    expect(job.groups[0]?.checks).toHaveLength(1);
  });

  it("must exist", async () => {
    expect(await problems(source, { tasks: ["wbe", "web"] })).toEqual([
      {
        message: "--task wbe: the job has none of this name",
        hint: "Did you mean web?",
        lacking: false,
        skip: undefined,
      },
    ]);
  });
});

describe("a node's facts", () => {
  it("are values of references", async () => {
    const source = `job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n env {\n A = "\${meta.rack} \${attr.cpu.modelname}"\n}\n}\n}\n}`;
    const { env } = await resolved(source, { node: { "meta.rack": "r1", "attr.cpu.modelname": "fast" } });
    expect(env.A).toBe("r1 fast");
    const { problems: found } = await resolved(source);
    expect(found.map(({ message }) => message)).toEqual([
      expect.stringContaining("--node-meta rack=VALUE gives it."),
      expect.stringContaining("--node-attr cpu.modelname=VALUE gives it."),
    ]);
  });
});

describe("upstreams of Connect", () => {
  const source = (mode: string) => `job "j" {
    group "g" {
      network {
        mode = "${mode}"
      }
      service {
        connect {
          sidecar_service {
            proxy {
              upstreams {
                destination_name = "count-api"
                local_bind_port  = 8080
              }
              upstreams {
                destination_name = "db"
                local_bind_port  = 5432
                mesh_gateway {}
              }
            }
          }
        }
      }
      task "t" {
        driver = "exec2"
      }
    }
  }`;

  it("are told to the task as on a client, or with the addresses that are given", async () => {
    const upstreams = { "count-api": "10.0.0.1:9000" };
    const { env } = await resolved(source("host"), { skips: ["connect"], upstreams });
    expect(Object.fromEntries(Object.entries(env).filter(([name]) => name.includes("UPSTREAM")))).toEqual({
      "NOMAD_UPSTREAM_ADDR_count-api": "10.0.0.1:9000",
      "NOMAD_UPSTREAM_IP_count-api": "10.0.0.1",
      "NOMAD_UPSTREAM_PORT_count-api": "9000",
      NOMAD_UPSTREAM_ADDR_count_api: "10.0.0.1:9000",
      NOMAD_UPSTREAM_IP_count_api: "10.0.0.1",
      NOMAD_UPSTREAM_PORT_count_api: "9000",
      NOMAD_UPSTREAM_ADDR_db: "127.0.0.1:5432",
      NOMAD_UPSTREAM_IP_db: "127.0.0.1",
      NOMAD_UPSTREAM_PORT_db: "5432",
    });
  });

  it("in a network of the group's own are where the proxy would listen", async () => {
    const upstreams = { "count-api": "10.0.0.1:9000" };
    const { env } = await resolved(source("bridge"), { skips: ["connect"], upstreams });
    expect(env.NOMAD_UPSTREAM_ADDR_count_api).toBe("127.0.0.1:8080");
  });

  it("must exist", async () => {
    const found = await problems(source("host"), { skips: ["connect"], upstreams: { api: "x:1" } });
    expect(found).toMatchObject([{ message: "--upstream api: the job has none of this name" }]);
  });
});
