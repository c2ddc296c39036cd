/** The task config and the plugin options that `run` sends to the driver. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../src/base/taskId.ts";
import { collectAssignment, single } from "../../src/cli/commands/verb.ts";
import { pluginOptionsSpec } from "../../src/driver/options/pluginOptions.ts";
import { taskOptionsSpec } from "../../src/effects/parts.ts";
import { requestOf } from "../../src/grpc/convert/requests.ts";
import { TaskConfig } from "../../src/grpc/generated/nomad/driver.ts";
import { specOf } from "../../src/grpc/options.ts";
import {
  attributeSpecs,
  fitPluginOptions,
  readPluginConfig,
} from "../../src/localAgent/files/pluginConfig.ts";
import { jobFile } from "../../src/localAgent/jobspec/jobFile.ts";
import { hostEnvironment } from "../../src/localAgent/task/nodeFacts.ts";
import { type TaskPlacement, taskMessage } from "../../src/localAgent/task/taskMessage.ts";
import { StateFolderChoice } from "../../src/store/folder/logFolders.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { parseJob } from "../support/parseJob.ts";

const placed: TaskPlacement = {
  taskId: toTaskId("a/t/1"),
  allocId: "a",
  allocDir: "/w/alloc/a",
  stdoutPath: "/w/out",
  stderrPath: "/w/err",
  user: "nomad-80001",
  cgroup: "/sys/fs/cgroup/x",
  cpusetCpus: "",
  networkPath: undefined,
  ports: [{ label: "http", ip: "127.0.0.1", port: 25_000, inside: 25_000 }],
  env: { A: "1", EMPTY: "" },
  config: Buffer.from([0x80]),
  mounts: [],
  hostname: undefined,
  nodeName: "here",
  nodeId: "n",
  nodeMhz: 5_000,
  coresMhz: 0,
};

async function messageOf(network: string, resources: string, place: Partial<TaskPlacement> = {}) {
  const source = `job "j" {\n group "g" {\n ${network}\n task "t" {\n driver = "exec2"\n resources {\n ${resources}\n}\n}\n}\n}`;
  const job = await parseJob(jobFile("t.hcl", source), { given: {}, environment: {} });
  const [group] = job.groups;
  const [task] = group?.tasks ?? [];
  if (!group || !task) throw new Error("no task");
  // Encoded and decoded, as it arrives at the driver.
  const bytes = TaskConfig.encode(taskMessage(job, group, task, { ...placed, ...place })).finish();
  return TaskConfig.decode(bytes);
}

describe("the task config for the driver", () => {
  it("has the task's volumes, and the allocation's host name", async () => {
    const mounts = [
      { source: "shop", path: "/srv/shop", destination: "/data", readOnly: true, propagation: "private" },
    ];
    const message = await messageOf('network {\n mode = "none"\n}', "", { mounts, hostname: "web" });
    expect(requestOf(message)).toMatchObject({
      mounts: [{ source: "/srv/shop", target: "/data", readOnly: true, propagation: "private" }],
      network: { mode: "none", path: "", self: { name: "web", address: "" } },
    });
  });

  it("is the same as a client's", async () => {
    const message = await messageOf("", "cpu = 50\n memory = 40");
    expect(message.resources).toMatchObject({
      allocatedResources: { cpu: { cpuShares: 50 }, memory: { memoryMb: 40, memoryMaxMb: 0 } },
      linuxResources: {
        cpuShares: 50,
        memoryLimitBytes: 41_943_040,
        PercentTicks: 0.01,
        cpusetCgroup: "/sys/fs/cgroup/x",
      },
      ports: [{ label: "http", value: 25_000, to: 0, hostIp: "127.0.0.1" }],
    });
    expect(message.networkIsolationSpec).toBeUndefined();
    expect(requestOf(message)).toMatchObject({
      taskId: toTaskId("a/t/1"),
      taskName: "t",
      groupName: "g",
      jobId: "j",
      env: { A: "1", EMPTY: "" },
      user: "nomad-80001",
      network: { mode: "host", path: "" },
      dns: undefined,
    });
  });

  it("names the namespace of the group's own network, and the ports in this namespace", async () => {
    const message = await messageOf('network {\n mode = "bridge"\n}', "", {
      networkPath: "/proc/1/fd/9",
      ports: [{ label: "http", ip: "127.0.0.1", port: 25_000, inside: 80 }],
    });
    expect(requestOf(message).network).toMatchObject({ mode: "group", path: "/proc/1/fd/9" });
    expect(message.resources?.ports).toMatchObject([{ label: "http", value: 25_000, to: 80 }]);
  });

  it("counts reserved cores as their MHz", async () => {
    const message = await messageOf("", "cores = 1", { cpusetCpus: "0", coresMhz: 2_500 });
    expect(requestOf(message).resources).toMatchObject({ cpuMhz: 2_500, cpusetCpus: "0" });
  });

  it("has the limit that memory_max raises, where -1 means no limit", async () => {
    const raised = await messageOf("", "memory = 40\n memory_max = 80");
    expect(raised.resources?.linuxResources?.memoryLimitBytes).toBe(83_886_080);
    expect(requestOf(raised).resources).toMatchObject({ memoryMb: 40, memoryMaxMb: 80 });
    expect(requestOf(await messageOf("", "memory_max = -1")).resources).toMatchObject({ memoryMaxMb: -1 });
  });

  it("has its own network and name servers if the job sets them", async () => {
    const message = await messageOf(
      'network {\n mode = "none"\n dns {\n servers = ["192.0.2.1"]\n}\n}',
      "cpu = 50",
    );
    const request = requestOf(message);
    expect(request.network).toEqual({ mode: "none", path: "" });
    expect(request.dns).toEqual({ servers: ["192.0.2.1"], searches: [], options: [] });
  });
});

describe("the driver's schemas", () => {
  it("are read as far as the check of options needs them", () => {
    const task = attributeSpecs(specOf(taskOptionsSpec()));
    expect(task).toContainEqual(expect.objectContaining({ name: "command", type: "string", required: true }));
    expect(task).toContainEqual(
      expect.objectContaining({ name: "args", type: "list(string)", required: false }),
    );
    const plugin = attributeSpecs(specOf(pluginOptionsSpec));
    expect(plugin).toContainEqual(
      expect.objectContaining({ name: "unveil_defaults", type: "bool", default: "true" }),
    );
    expect(attributeSpecs(undefined)).toEqual([]);
  });
});

describe("the plugin's options of a local run", () => {
  const specs = attributeSpecs(specOf(pluginOptionsSpec));

  it("are sent with their types and the schema's defaults", () => {
    const given = { unveil_by_task: "false", unveil_paths: "r:/srv", allow_root: true };
    expect(fitPluginOptions(given, specs)).toMatchObject({
      unveil_by_task: false,
      unveil_paths: ["r:/srv"],
      allow_root: true,
      unveil_defaults: true,
      state_dir: "/var/lib/nomad-driver-exec2",
    });
  });

  it("are refused if the plugin has no option of that name", () => {
    expect(() => fitPluginOptions({ unveil_path: "r:/x" }, specs)).toThrow(
      "plugin option unveil_path: the driver has no such option. Did you mean unveil_paths?",
    );
  });

  it.each([
    'unveil_paths = ["r:/a"]\nstate_dir = "/s"',
    'config {\n unveil_paths = ["r:/a"]\n state_dir = "/s"\n}',
    'plugin "nomad-driver-exec2" {\n config {\n unveil_paths = ["r:/a"]\n state_dir = "/s"\n }\n}',
  ])("come from a file %j, and the command line overrides them", async (content) => {
    const file = join(temporaryFolder(), "plugin.hcl");
    writeFileSync(file, content);
    const fromFile = await readPluginConfig(file);
    expect(fromFile).toEqual({
      pluginConfig: { unveil_by_task: true, unveil_paths: ["r:/a"] },
      stateDir: "/s",
    });
    const overridden = await readPluginConfig(
      file,
      { unveil_by_task: ["false"], unveil_paths: ["r:/b", "r:/c"] },
      "/t",
    );
    expect(overridden).toEqual({
      pluginConfig: { unveil_by_task: "false", unveil_paths: ["r:/b", "r:/c"] },
      stateDir: "/t",
    });
  });
});

it("the state folder of a local run can also be set by the plugin's option", async () => {
  expect(await readPluginConfig(undefined, { state_dir: ["/s"] })).toEqual({
    pluginConfig: { unveil_by_task: true },
    stateDir: "/s",
  });
});

describe("a repeatable option like --var", () => {
  it("has the form name=value, and may repeat a name", () => {
    const given = ["a=1", "b=x=y", "a=2"].reduce((before, text) => collectAssignment(text, before), {});
    expect(given).toEqual({ a: ["1", "2"], b: ["x=y"] });
    expect(single(given)).toEqual({ a: "2", b: "x=y" });
    expect(() => collectAssignment("a", {})).toThrow("name=value");
    expect(() => collectAssignment("=a", {})).toThrow("name=value");
  });
});

describe("the state folders of local runs", () => {
  it("are numbered, up to a limit", () => {
    const choice = new StateFolderChoice("/s");
    expect(choice.path).toBe("/s/local/1");
    expect(choice.next()).toBe(true);
    expect(choice.path).toBe("/s/local/2");
    let further = 0;
    while (choice.next()) further++;
    expect(further).toBe(62);
  });
});

describe("the environment that tasks inherit", () => {
  it("has the host's settings, and no secret", () => {
    const environment = {
      PATH: "/home/me/bin",
      LC_ALL: "C",
      TZ: "UTC",
      AWS_SECRET_ACCESS_KEY: "s",
      NOMAD_TOKEN: "t",
      UNSET: undefined,
    };
    expect(hostEnvironment(environment)).toEqual({
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      LC_ALL: "C",
      TZ: "UTC",
    });
  });
});
