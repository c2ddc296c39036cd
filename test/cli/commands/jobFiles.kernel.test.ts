/** Job files in the style of Nomad's documentation. Each runs, or its error names what a local run lacks. */
import { once } from "node:events";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, start } from "../../support/screen/commandLine.ts";

const jobs = join(import.meta.dirname, "../../fixtures/jobs");
const job = (name: string) => join(jobs, `${name}.nomad.hcl`);
const running = (name: string, ...options: string[]) => [
  "run",
  "--state-dir",
  temporaryFolder(),
  ...options,
  job(name),
];

/** The output lines without the tasks' names. They are sorted, because the instances run at the same time. */
const linesOf = (stdout: string) => stdout.trimEnd().split("\n").sort();

describe("a job file that runs", () => {
  it("batch: settings for the cluster are listed, and have no effect", async () => {
    const { code, stdout, stderr } = await call(running("batch"));
    expect([code, stdout]).toEqual([0, "report of nightly-report for data\n"]);
    expect(stderr).toContain(
      "ignored in a local run: constraint, group.report.ephemeral_disk, group.report.restart, " +
        "group.report.task.write.logs.max_file_size, group.report.task.write.logs.max_files, node_pool, periodic, priority",
    );
  });

  it("service: two instances with ports of their own become healthy", async () => {
    const run = start(running("service"));
    await run.seen("check docs-web: alive of web[0]: healthy", "stderr");
    const stderr = await run.seen("check docs-web: alive of web[1]: healthy", "stderr");
    const ports = [...stderr.matchAll(/^port http of web\[[01]\]: 127\.0\.0\.1:(\d+)$/gm)].map(
      ([, port]) => port,
    );
    expect(new Set(ports).size).toBe(2);
    for (const port of ports) expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    run.child.kill("SIGINT");
    await run.ended;
  });

  it("bridge: a server is reached by its group's tasks, and on the host by its port", async () => {
    const run = start(running("bridge"));
    await run.seen("client | cached by server");
    const stderr = await run.seen("check cache: tcp: healthy", "stderr");
    const [, port] = /^port http: 127\.0\.0\.1:(\d+), 8080 in the group's network$/m.exec(stderr) ?? [];
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("cached by server\n");
    run.child.kill("SIGINT");
    await run.ended;
  });

  it("bridge: doctor shows its launch plan", async () => {
    const { code, stdout } = await call(["doctor", "--plan", job("bridge")]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/join the network namespace.*setns/);
  });

  it("variables: types, conditions, locals, functions and dynamic blocks", async () => {
    const { code, stdout } = await call(running("variables"));
    expect(code).toBe(0);
    expect(linesOf(stdout)).toEqual([
      "open[0] | hello north of NORTH+SOUTH: 2 tagged 000 0",
      "open[0] | hello south of NORTH+SOUTH: 0 bare 001 0",
      "open[1] | hello north of NORTH+SOUTH: 2 tagged 000 1",
      "open[1] | hello south of NORTH+SOUTH: 0 bare 001 1",
    ]);
    const shops = 'shops=[{ name = "east", tags = ["x"] }]';
    const other = await call(
      running("variables", "--var", "replicas=1", "--var", shops, "--var", "greeting=hi"),
    );
    expect([other.code, other.stdout]).toEqual([0, "hi east of EAST: 1 tagged 000 0\n"]);
    const many = await call(running("variables", "--var", "replicas=9"));
    expect([many.code, many.stdout]).toEqual([125, ""]);
    expect(many.stderr).toContain("variable.replicas: replicas must be from 1 to 5");
  });

  it("lifecycle: tasks before, beside and after the main one", async () => {
    const { code, stdout } = await call(running("lifecycle"));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^main +\| prepared$/m);
    expect(stdout).toMatch(/^announce +\| it runs$/m);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^clean +\| cleaned$/);
  });

  it("templates: a configuration made of data, and variables", async () => {
    const { code, stdout } = await call(running("templates"));
    expect(code).toBe(0);
    expect(stdout).toBe("127.0.0.1:25432 INFO\n\nserver a weight 1 first\nserver b weight 2\ntotal 2\n");
  });

  it("hostVolume: --host-volume gives the volume's folder", async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o777);
    const options = ["--host-volume", `db-data=${folder}`, "-o", "allow_root=true"];
    expect(await call(running("hostVolume", ...options))).toMatchObject({ code: 0, stdout: "1\n" });
    expect(await call(running("hostVolume", ...options))).toMatchObject({ code: 0, stdout: "2\n" });
    expect(readFileSync(join(folder, "table"), "utf8")).toBe("row\nrow\n");
  });
});

describe("a job file with needs that a local run cannot meet", () => {
  it.each([
    ["nomadVariables", "line 2 of the template: nomadVar needs a Nomad server, and a local run has none"],
    [
      "servers",
      "line 1 of the template: secret needs Vault, and a local run has none; --values FILE gives it values",
    ],
    ["servers", "line 2 of the template: nomadVar needs a Nomad server"],
    ["nodeFacts", "--node-meta rack=VALUE gives it"],
    ["nodeFacts", "--node-attr cpu.modelname=VALUE gives it"],
    ["mixedDrivers", "image: exec2 has no images: install the program on the host, and unveil its files;"],
    ["vaultArtifact", "--skip vault,consul,artifact,identity goes on without these parts"],
    ["csiVolume", "--skip csi goes on without it"],
    ["connect", "--skip connect goes on without it"],
    ["parameterized", "a dispatch must give it the metadata input"],
    ["parameterized", "a dispatch must give it a payload"],
    ["parameterized", "--skip parameterized goes on without this part"],
    ["docker", 'this program runs tasks with driver = "exec2" only, not "docker"'],
  ])("%s: %s", async (name, message) => {
    const { code, stdout, stderr } = await call(running(name));
    expect([code, stdout]).toEqual([125, ""]);
    expect(stderr).toMatch(/^JOB_NEEDS_CLUSTER: /);
    expect(stderr).toContain(message);
    const validated = await call(["validate", job(name)]);
    expect(validated).toMatchObject({ code: 0, stdout: expect.stringMatching(/: job \S+ is valid\n$/) });
    expect(validated.stderr).toContain(message);
  });

  it.each([
    ["vaultArtifact", "artifact,vault,consul,identity", "without\n"],
    ["csiVolume", "csi", "without its volume\n"],
    ["connect", "connect", "dashboard on 9002 of 29002\n127.0.0.1:8080 refused\n"],
    ["parameterized", "parameterized,dispatch_payload", "nothing to transcode\n"],
  ])("%s: runs without %s", async (name, skips, output) => {
    const { code, stdout, stderr } = await call(running(name, "--skip", skips));
    expect([code, stdout]).toEqual([0, output]);
    expect(stderr).toContain("ignored in a local run: ");
  });
});

describe("a job file whose needs are met by options", () => {
  it("parameterized: --meta and --payload dispatch it", async () => {
    const payload = join(temporaryFolder(), "payload");
    writeFileSync(payload, '{"quality": 3}');
    const options = ["--meta", "input=in.mp4", "--payload", payload];
    const { code, stdout } = await call(running("parameterized", ...options));
    expect([code, stdout]).toEqual([0, 'in.mp4 {"quality": 3}\n']);
  });

  it("nodeFacts: --node-meta and --node-attr", async () => {
    const options = ["--node-meta", "rack=r7", "--node-attr", "cpu.modelname=Fast 9"];
    expect(await call(running("nodeFacts", ...options))).toMatchObject({
      code: 0,
      stdout: "r7 Fast 9 dc1\n",
    });
  });

  it("servers: --values", async () => {
    const values = join(temporaryFolder(), "values.hcl");
    writeFileSync(
      values,
      `secret   = { "kv/data/app" = { data = { password = "hunter2" } } }
      key      = {}
      service  = { db = [{ Address = "10.0.0.1", Port = 5432 }] }
      nomadVar = { "nomad/jobs/configured" = { owner = "ada" } }`,
    );
    const { code, stdout } = await call(running("servers", "--values", values));
    expect([code, stdout]).toEqual([0, "hunter2 info\nserver 10.0.0.1:5432;\nowner ada\n"]);
  });

  it("mixedDrivers: --task", async () => {
    const { code, stdout, stderr } = await call(running("mixedDrivers", "--task", "report"));
    expect([code, stdout]).toEqual([0, "reported\n"]);
    expect(stderr).toContain("ignored in a local run: group.shop.network.port.http.to, group.shop.task.web");
    expect(stderr).toMatch(/^port http: 127\.0\.0\.1:\d+; in this network, nothing maps it to 8080$/m);
  });

  it("connect: --upstream passes connections of the group on to an address outside", async () => {
    const server = createServer((socket) => socket.end("from outside\n"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const options = ["--upstream", `api=127.0.0.1:${port}`];
    const { code, stdout } = await call(running("connect", ...options));
    expect([code, stdout]).toEqual([0, "dashboard on 9002 of 29002\n127.0.0.1:8080 from outside\n"]);
  });
});

it("converted: each option of docker has an advice", async () => {
  const { code, stderr } = await call(["validate", job("converted")]);
  expect(code).toBe(1);
  expect(stderr).toContain("has 3 errors");
  for (const advice of [
    "exec2 has no images",
    "a task binds the ports of its group",
    "it belongs to the group's network block: mode",
  ])
    expect(stderr).toContain(advice);
});

it("docker: the options of another driver's task are neither checked nor required", async () => {
  const { stderr } = await call(["validate", job("docker")]);
  expect(stderr).not.toContain(".config.");
});

it("every file is tested", () => {
  const source = readFileSync(import.meta.filename, "utf8");
  for (const file of readdirSync(jobs).filter((each) => each.endsWith(".hcl")))
    expect(source).toContain(`"${file.replace(".nomad.hcl", "")}"`);
});
