/** Job files in JSON: HCL's own JSON form, and the form of Nomad's API. */
import { describe, expect, it } from "vitest";
import { jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { parseJob } from "../../support/parseJob.ts";

const parse = (content: unknown) =>
  parseJob(jobFile("job.json", JSON.stringify(content, null, 2)), { given: {}, environment: {} });

describe("HCL's JSON form", () => {
  it("needs no lists around blocks", async () => {
    const job = await parse({
      variable: { greeting: { default: "hello" } },
      job: {
        j: {
          group: {
            g: {
              network: { port: { http: {} } },
              task: {
                t: {
                  driver: "exec2",
                  config: { command: "echo", args: [`\${var.greeting}`, `\${NOMAD_PORT_http}`] },
                  template: [{ data: "x", destination: "local/x" }],
                },
              },
            },
          },
        },
      },
    });
    expect(job.groups).toMatchObject([
      {
        network: { ports: [{ label: "http" }] },
        tasks: [
          {
            config: { command: "echo", args: ["hello", `\${NOMAD_PORT_http}`] },
            templates: [{ destination: "local/x" }],
          },
        ],
      },
    ]);
  });
});

/** A job in the form of `nomad job run -output`: with every field, most of them unset. */
const apiJob = {
  Job: {
    ID: "web",
    Name: "website",
    Type: "service",
    Datacenters: ["*"],
    Namespace: null,
    Priority: null,
    Constraints: null,
    Update: { MaxParallel: 1 },
    Periodic: null,
    ParameterizedJob: null,
    Payload: null,
    VaultToken: null,
    Meta: { owner: "ops" },
    TaskGroups: [
      {
        Name: "group",
        Count: 0,
        Networks: [
          {
            Mode: "",
            CIDR: "",
            IP: "",
            Hostname: "",
            DNS: null,
            MBits: null,
            CNI: null,
            DynamicPorts: [{ Label: "http", Value: 0, To: 0, HostNetwork: "", IgnoreCollision: false }],
            ReservedPorts: [{ Label: "db", Value: 5432, To: 0 }],
          },
        ],
        RestartPolicy: { Attempts: 2, Interval: 1_800_000_000_000, Delay: 15_000_000_000, Mode: "fail" },
        Volumes: null,
        Services: null,
        Tasks: [
          {
            Name: "server",
            Driver: "exec2",
            User: "",
            Lifecycle: { Hook: "prestart", Sidecar: true },
            Config: { command: "sh", args: ["-c", `echo \${NOMAD_PORT_http}`] },
            Env: { A: "1" },
            KillTimeout: 7_000_000_000,
            KillSignal: "SIGTERM",
            LogConfig: { MaxFiles: 10, MaxFileSizeMB: 10, Disabled: true },
            Resources: {
              CPU: 100,
              Cores: 0,
              MemoryMB: 64,
              MemoryMaxMB: 0,
              DiskMB: null,
              Devices: null,
              NUMA: null,
            },
            Artifacts: null,
            Vault: null,
            Templates: [
              {
                SourcePath: "",
                DestPath: "local/run.sh",
                EmbeddedTmpl: `echo \${x:-y} %{z}`,
                ChangeMode: "restart",
                Perms: "0755",
                LeftDelim: "{{",
                RightDelim: "}}",
                Envvars: false,
                Uid: null,
              },
            ],
            Leader: false,
            Identities: null,
          },
          { Name: "main", Driver: "exec2", Config: { command: "true" } },
        ],
      },
    ],
  },
};

describe("the form of Nomad's API", () => {
  it("gives the same job as the HCL form", async () => {
    const job = await parse(apiJob);
    expect(job).toMatchObject({ id: "web", name: "website", namespace: "default", datacenter: "dc1" });
    const [group] = job.groups;
    expect(group).toMatchObject({
      name: "group",
      count: 0,
      network: {
        mode: "host",
        ports: [
          { label: "http", static: undefined },
          { label: "db", static: 5432 },
        ],
      },
    });
    expect(group?.tasks[0]).toMatchObject({
      name: "server",
      phase: "prestart",
      sidecar: true,
      user: undefined,
      meta: { owner: "ops" },
      env: { A: "1" },
      killTimeoutMs: 7_000,
      killSignal: "SIGTERM",
      logsDisabled: true,
      resources: { cpuMhz: 100, cores: 0, memoryMb: 64, memoryMaxMb: undefined },
    });
    expect(job.ignored).toEqual(
      expect.arrayContaining([
        "update",
        "group.group.restart",
        "group.group.task.server.template.change_mode",
      ]),
    );
  });

  it("contains template texts literally", async () => {
    const [template] = (await parse(apiJob)).groups[0]?.tasks[0]?.templates ?? [];
    expect(template).toMatchObject({ data: `echo $\${x:-y} %%{z}`, perms: 0o755 });
  });

  it("may contain references, but no expressions, so that a shell's expressions are literal", async () => {
    const args = ["-c", `echo \${NOMAD_TASK_NAME} \${X:-y} \${upper("a")} %{z} \${env["A"]}`];
    const job = await parse({
      Job: {
        ID: "j",
        TaskGroups: [{ Name: "g", Tasks: [{ Name: "t", Driver: "exec2", Config: { args } }] }],
      },
    });
    expect(job.groups[0]?.tasks[0]?.config.args).toEqual([
      "-c",
      `echo \${NOMAD_TASK_NAME} $\${X:-y} $\${upper("a")} %%{z} \${env["A"]}`,
    ]);
  });

  it("is refused for the same reasons as the HCL form", async () => {
    const withVault = structuredClone(apiJob) as unknown as { Job: { TaskGroups: { Tasks: object[] }[] } };
    withVault.Job.TaskGroups[0]?.Tasks.push({ Name: "v", Driver: "exec2", Vault: { Role: "x" } });
    await expect(parse(withVault)).rejects.toThrow(
      "job.web.group.group.task.v.vault: a local run has no Vault",
    );
  });
});

describe("volumes in the form of Nomad's API", () => {
  it("are the same as in a job file", async () => {
    const volume = {
      Name: "data",
      Type: "host",
      Source: "shop",
      ReadOnly: true,
      PerAlloc: false,
      MountOptions: null,
    };
    const mount = {
      Volume: "data",
      Destination: "/srv",
      ReadOnly: false,
      PropagationMode: "host-to-task",
      SELinuxLabel: "",
    };
    const task = { Name: "t", Driver: "exec2", Config: { command: "true" }, VolumeMounts: [mount] };
    const group = { Name: "g", Volumes: { data: volume }, Tasks: [task] };
    const job = await parse({ Job: { ID: "j", TaskGroups: [group] } });
    expect(job.groups[0]?.tasks[0]?.volumeMounts).toEqual([
      {
        place: "job.j.group.g.task.t.volume_mount",
        volume: { name: "data", source: "shop", perAlloc: false, readOnly: true },
        destination: "/srv",
        readOnly: true,
        propagation: "host-to-task",
      },
    ]);
  });
});

describe("services in the form of Nomad's API", () => {
  it("have the checks of a job file", async () => {
    const check = {
      Type: "http",
      Path: "/",
      Interval: 5_000_000_000,
      Timeout: 2_000_000_000,
      Header: { A: ["b"] },
      TLSSkipVerify: true,
      Protocol: "https",
      CheckRestart: { Limit: 2, Grace: 3_000_000_000, IgnoreWarnings: false },
    };
    const group = {
      Name: "g",
      Services: [{ Name: "web", PortLabel: "80", Provider: "nomad", Checks: [check] }],
      Tasks: [{ Name: "t", Driver: "exec2" }],
    };
    const job = await parse({ Job: { ID: "j", TaskGroups: [group] } });
    expect(job.groups[0]?.checks).toMatchObject([
      {
        name: "web: http on /",
        probe: { port: "80", secure: true, verifies: false, headers: { A: ["b"] } },
        intervalMs: 5_000,
        timeoutMs: 2_000,
        restart: { limit: 2, graceMs: 3_000 },
      },
    ]);
  });
});
