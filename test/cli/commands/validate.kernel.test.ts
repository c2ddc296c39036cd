/** `validate` shows all errors of a file at once. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, jobFileOf } from "../../support/screen/commandLine.ts";

const wrong = `job "web" {
  colour = "blue" # kill_signal = "none"
  group "g" {
    network {
      mode = "weird"
    }
    task "a" {
      driver      = "exec2"
      kill_signal = "SIGTREM"
      config {
        command = "true"
        unveil  = ["q:/x"]
      }
    }
    task "b" {
      driver      = "exec2"
      kill_signal = "SIGINT"
      config {
        comand = "x"
      }
      resources {
        memory = 1
      }
    }
  }
}
`;

it("shows every error with its line and a caret, and needs no root rights", async () => {
  const job = jobFileOf(wrong);
  const { code, stdout, stderr } = await call(["validate", job], { unprivileged: true });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^JOB_INVALID: \S+ has 6 errors:$/m);
  expect(stderr).toContain('  9 |       kill_signal = "SIGTREM"\n    |       ^\n');
});

it("prints them as JSON in the order of the lines", async () => {
  const { code, stdout } = await call(["validate", "--json", jobFileOf(wrong)]);
  expect(code).toBe(1);
  const told = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { line: number; place: string });
  expect(told.map(({ line, place }) => [line, place])).toEqual([
    [2, "job.web.colour"],
    [5, "job.web.group.g.network.mode"],
    [9, "job.web.group.g.task.a.kill_signal"],
    [12, "job.web.group.g.task.a.config.unveil"],
    [19, "job.web.group.g.task.b.config.comand"],
    [22, "job.web.group.g.task.b.resources.memory"],
  ]);
});

it("checks the plugin's block in an agent's configuration, and says what is valid", async () => {
  const agent = join(temporaryFolder(), "client.hcl");
  const block = (option: string) =>
    `client {\n enabled = true\n}\nplugin "nomad-driver-exec2" {\n config {\n ${option} = true\n }\n}\n`;
  writeFileSync(agent, block("unveil_by_task"));
  expect(await call(["validate", agent, "examples/hello.nomad.hcl"])).toEqual({
    code: 0,
    stdout: `${agent}: the plugin's options are valid\nexamples/hello.nomad.hcl: job hello is valid\n`,
    stderr: "",
  });
  writeFileSync(agent, block("unveil_by_taks"));
  const { code, stderr } = await call(["validate", agent, "examples/hello.nomad.hcl"]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/client\.hcl:6:2: plugin\.config\.unveil_by_taks: .*Did you mean unveil_by_task\?/);
});

it("is what run and doctor do first", async () => {
  const job = jobFileOf(wrong);
  expect(await call(["run", "--state-dir", temporaryFolder(), job])).toMatchObject({
    code: 125,
    stderr: expect.stringContaining("has 6 errors:"),
  });
  expect(await call(["doctor", "--plan", job])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("has 6 errors:"),
  });
  expect(await call(["doctor", "-o", "unveil_by_taks=true"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("Did you mean unveil_by_task?"),
  });
});

it("refuses tasks whose names lead to other folders, as run does", async () => {
  const job = jobFileOf(wrong.replace("comand", "command").replaceAll('task "a"', 'task ".."'));
  for (const verb of ["validate", "run"]) {
    const { code, stderr } = await call([verb, job]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("job.web.group.g.task...: a task may not have this name");
  }
});
