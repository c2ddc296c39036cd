/** `validate` shows all errors of a file at once. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
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

it("validate shows every error with its line and a caret, and needs no root rights", async () => {
  const job = jobFileOf(wrong);
  const { code, stdout, stderr } = await call(["validate", job], { unprivileged: true });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^JOB_INVALID: \S+ has 6 errors:$/m);
  expect(stderr).toContain('  9 |       kill_signal = "SIGTREM"\n    |       ^\n');
});

const withLogs = (logs: string, config: string) =>
  jobFileOf(`job "web" {
  group "g" {
    task "a" {
      driver = "exec2"
      logs {
        ${logs}
      }
      config {
        command = "true"
        ${config}
      }
    }
  }
}
`);

it("validate says who writes a task's log files if nobody or two would", async () => {
  const asks = 'log_collection = "driver"';
  const both = withLogs("disabled = false", asks);
  const told = await call(["validate", both]);
  expect(told.code).toBe(0);
  expect(told.stderr).toMatch(/^warning: job.web.group.g.task.a.config.log_collection: .*both would write/);
  expect(told.stderr).toContain("Set logs { disabled = true } in the task");
  const refused = await call(["validate", "-o", "log_collection=agent", both]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/:10:9: .*both would write the same files/);
  expect(await call(["validate", withLogs("disabled = true", asks)])).toMatchObject({ code: 0, stderr: "" });
  const config = join(temporaryFolder(), "plugin.hcl");
  writeFileSync(config, 'plugin "nomad-driver-exec2" {\n  config {\n    log_collection = "driver"\n  }\n}\n');
  const nobody = withLogs("disabled = false", 'log_collection = "agent"');
  expect((await call(["validate", "--plugin-config", config, nobody])).stderr).toContain(
    "nobody would write its log files",
  );
});

it("validate warns of sizes that a job's logs block sets in vain", async () => {
  const file = withLogs("disabled = true\n max_files = 3\n max_file_size = 2", 'log_collection = "driver"');
  const { code, stderr } = await call(["validate", file]);
  expect(code).toBe(0);
  expect(stderr).toMatch(
    /^warning: job.web.group.g.task.a.logs.max_files: it has no effect where the driver/,
  );
  expect(stderr).toContain("hint: Set log_max_file_size in the task's config");
  const { stdout } = await call(["validate", "--json", file]);
  expect(
    stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { severity: "warning", line: 7 },
    { severity: "warning", line: 8 },
  ]);
  // The agent uses them.
  const collected = withLogs("max_files = 3", "");
  expect(await call(["validate", collected])).toMatchObject({ code: 0, stderr: "" });
});

it("validate prints errors as JSON in the order of the lines", async () => {
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

it("validate checks the plugin's block in an agent's configuration, and names valid files", async () => {
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

it("validate reports all errors of one block of options at once", async () => {
  const job = jobFileOf(
    wrong
      .replace('unveil  = ["q:/x"]', 'unveil = ["q:/x"]\n umask = "999"\n args = "x"')
      .replace("comand =", "comand = 7\n nice ="),
  );
  const { stdout } = await call(["validate", "--json", job]);
  const told = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { place: string; message: string });
  expect(
    told.flatMap(({ place, message }) =>
      place.includes(".config.") ? [`${place.slice(21)}: ${message}`] : [],
    ),
  ).toEqual([
    'a.config.unveil: entry 1 ("q:/x") has the unknown mode letter "q"',
    "a.config.umask: must be three octal digits in quotes, such as 027",
    "a.config.args: it must be a list",
    "b.config.comand: the driver has no such option. Did you mean command?",
    "b.config.nice: it must be a number",
  ]);
});

it("validate reports the place of a block that lacks an attribute", async () => {
  const { stderr } = await call(["validate", jobFileOf(wrong.replace("comand =", "umask = 7 #"))]);
  expect(stderr).toMatch(
    /:18:7: job\.web\.group\.g\.task\.b\.config\.command: the driver requires it\n {2}18 \| +config \{$/m,
  );
});

it("validate also reports as JSON the place of a syntax error, and a file that cannot be read", async () => {
  const job = jobFileOf('job "x" {\n  group =\n}\n');
  const missing = `${job}.missing`;
  const { code, stdout, stderr } = await call(["validate", "--json", job, missing]);
  expect([code, stderr]).toEqual([1, ""]);
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    {
      severity: "error",
      file: job,
      line: 2,
      column: 10,
      place: "",
      message: expect.stringContaining("Invalid expression"),
      hint: null,
    },
    {
      severity: "error",
      file: missing,
      line: null,
      column: null,
      place: "",
      message: `the job file cannot be read: ${missing}: no such file or directory`,
      hint: null,
    },
  ]);
});

it.each([
  ["", "the file is empty"],
  [" \n\n", "the file is empty"],
  ["\x7fELF\x02\x01\0\0", "the job file is not a text file"],
  ["\xff\xfej\0o\0b\0", "It is UTF-16: save it as UTF-8"],
  ["plain text\n", "this is not valid HCL2"],
])("validate says what is wrong with a file of %j", async (content, message) => {
  const path = join(temporaryFolder(), "job.hcl");
  writeFileSync(path, content, "latin1");
  for (const args of [["validate"], ["run", "--state-dir", temporaryFolder()]]) {
    const { code, stdout, stderr } = await call([...args, path]);
    expect([code, stdout]).toEqual([args[0] === "run" ? 125 : 1, ""]);
    expect(stderr).toMatch(/^JOB_INVALID: /);
    expect(stderr).toContain(message);
  }
});

it("validate warns of a weight that many hosts ignore, and the job is valid", async () => {
  const { code, stdout, stderr } = await call(["validate", "examples/disk-io.nomad.hcl"]);
  expect([code, stdout]).toEqual([0, "examples/disk-io.nomad.hcl: job disk-io is valid\n"]);
  expect(stderr).toMatch(
    /^warning: job\.disk-io\.group\.disk-io\.task\.write\.config\.io\.weight: it has no effect on a host .*\nhint: .*driver\.exec2\.io\.weight/,
  );
});

it("validate accepts a job with a byte order mark and with the line ends of Windows", async () => {
  const job = jobFileOf(
    `\u{feff}${readFileSync("examples/hello.nomad.hcl", "utf8").replaceAll("\n", "\r\n")}`,
  );
  expect(await call(["validate", job])).toMatchObject({ code: 0, stderr: "" });
});

it("validate accepts an agent's configuration in JSON, and one without a block for this driver", async () => {
  const write = (name: string, content: string) => {
    const path = join(temporaryFolder(), name);
    writeFileSync(path, content);
    return path;
  };
  const json = (option: string) =>
    write(
      "client.json",
      JSON.stringify({ plugin: { "nomad-driver-exec2": { config: { [option]: true } } } }),
    );
  const other = write(
    "client.hcl",
    'client {\n enabled = true\n}\nplugin "docker" {\n config {\n x = 1\n }\n}\n',
  );
  const [right, wrong] = [json("unveil_by_task"), json("unveil_by_taks")];
  expect(await call(["validate", right, other])).toEqual({
    code: 0,
    stdout: `${right}: the plugin's options are valid\n${other}: there is no plugin block for this driver; its defaults apply\n`,
    stderr: "",
  });
  expect((await call(["validate", wrong])).stderr).toContain("Did you mean unveil_by_task?");
});

it("validate makes the checks with which run and doctor begin", async () => {
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

it("validate refuses tasks whose names lead to other folders, as run does", async () => {
  const job = jobFileOf(wrong.replace("comand", "command").replaceAll('task "a"', 'task ".."'));
  for (const verb of ["validate", "run"]) {
    const { code, stderr } = await call([verb, job]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("job.web.group.g.task...: a task may not have this name");
  }
});

it.each([
  ["--no-files", "--no-files: /etc/hostname is not read"],
  ["--files=/usr", "--files /usr: /etc/hostname is outside of this folder"],
])(
  "%s bounds the files that a job file's functions read, for validate, run and doctor",
  async (option, message) => {
    const job = jobFileOf(wrong.replace('command = "true"', 'command = file("/etc/hostname")'));
    for (const verb of [["validate"], ["run"], ["doctor", "--plan"]]) {
      const { code, stderr } = await call([...verb, job, option]);
      expect(code).not.toBe(0);
      expect(stderr).toContain(message);
    }
    expect((await call(["validate", job])).stderr).not.toContain("/etc/hostname");
  },
);

it("validate refuses a named pipe, on which it would wait for ever", async () => {
  const pipe = join(temporaryFolder(), "pipe");
  execFileSync("mkfifo", [pipe]);
  expect(await call(["validate", pipe])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`JOB_INVALID: the job file is a named pipe: ${pipe}`),
  });
});

it("an empty --state-dir, as of a variable that is not set, is refused: it would mean the current folder", async () => {
  for (const verb of [["ps"], ["doctor"], ["run", "examples/hello.nomad.hcl"]]) {
    const { code, stderr } = await call([...verb, "--state-dir", ""]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("Expected a folder.");
  }
});

it("validate --values-template prints a file that answers the job's templates", async () => {
  const job = jobFileOf(`job "web" {
  group "g" {
    task "a" {
      driver = "exec2"
      config {
        command = "true"
      }
      template {
        destination = "local/x"
        data = <<-EOT
          {{ with secret "kv/data/db" }}{{ .Data.data.password }}{{ end }}
          {{ key "app/port" }}{{ range service "db" }}{{ .Address }}:{{ .Port }}{{ end }}
          {{ range nomadVarList "nomad/jobs" }}{{ .Path }}{{ end }}{{ range nomadServices }}{{ .Name }}{{ end }}
        EOT
      }
    }
  }
}
`);
  const before = await call(["validate", job], { unprivileged: true });
  expect(before.stdout + before.stderr).toContain("run would refuse it");
  expect(before.stderr).toContain("--skip template");
  const { code, stdout, stderr } = await call(["validate", "--values-template", job], { unprivileged: true });
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^# examples for \S+: run --values FILE/);
  const values = join(temporaryFolder(), "values.hcl");
  writeFileSync(values, stdout, { mode: 0o644 });
  const after = await call(["validate", "--values", values, job], { unprivileged: true });
  expect([after.code, after.stderr]).toEqual([0, ""]);
  const without = await call(["validate", "--skip", "template", job], { unprivileged: true });
  expect([without.code, without.stderr]).toEqual([0, ""]);
});
