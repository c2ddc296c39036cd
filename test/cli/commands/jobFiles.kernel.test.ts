/** Job files in the style of Nomad's documentation. Each runs, or its error names what a local run lacks. */
import { chmodSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
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
    ["vaultArtifact", "--skip vault,consul,artifact,identity goes on without these parts"],
    ["csiVolume", "--skip csi goes on without it"],
    ["connect", "--skip connect goes on without it"],
    ["parameterized", "--skip parameterized,dispatch_payload goes on without these parts"],
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
    ["connect", "connect", "dashboard on 9002 of 29002\n"],
    ["parameterized", "parameterized,dispatch_payload", "nothing to transcode\n"],
  ])("%s: runs without %s", async (name, skips, output) => {
    const { code, stdout, stderr } = await call(running(name, "--skip", skips));
    expect([code, stdout]).toEqual([0, output]);
    expect(stderr).toContain("ignored in a local run: ");
  });
});

it("docker: the options of another driver's task are neither checked nor required", async () => {
  const { stderr } = await call(["validate", job("docker")]);
  expect(stderr).not.toContain(".config.");
});

it("every file is tested", () => {
  const source = readFileSync(import.meta.filename, "utf8");
  for (const file of readdirSync(jobs)) expect(source).toContain(`"${file.replace(".nomad.hcl", "")}"`);
});
