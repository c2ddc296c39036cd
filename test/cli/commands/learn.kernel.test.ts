/** `run --learn`: what it prints and writes, and what it does with wrong input. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { findCgroup2Mount } from "../../../src/effects/cgroup/cgroup.ts";
import { eventually } from "../../support/host/eventually.ts";
import { nameServer } from "../../support/host/nameServer.ts";
import { listeningPort, ownAddress } from "../../support/host/ownAddress.ts";
import { remountReadOnly, smallFileSystem } from "../../support/host/smallFileSystem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";
import { type CallOptions, call, jobFileOf, shellJob, start } from "../../support/screen/commandLine.ts";

let stateDir: string;
beforeEach(() => {
  stateDir = join(temporaryFolder(), "state");
});

const learn = (args: readonly string[], options?: CallOptions) =>
  call(["run", "--learn", "--state-dir", stateDir, ...args], { program: [builtEntry], ...options });

/**
 * A folder of the host with files that every user may read. It is not in /tmp, which a task's own /tmp would
 * hide.
 */
function hostFolder(...names: readonly string[]): string {
  const folder = temporaryFolder("/var/tmp");
  chmodSync(folder, 0o755);
  for (const name of names) writeFileSync(join(folder, name), `${name}\n`);
  return folder;
}

/** Removes an empty cgroup, and those below it. */
function removeCgroups(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeCgroups(join(path, entry.name));
  rmdirSync(path);
}

describe("run --learn", { timeout: 120_000 }, () => {
  it("prints the options that a task needs, and no others", async () => {
    const folder = hostFolder("needed", "optional");
    const script = `cat ${folder}/needed; cat ${folder}/optional > /dev/null 2>&1; test -e ${folder}/missing; id -un | cut -c 1-6`;
    const { code, stdout } = await learn(["-v", "--raw", shellJob(script)]);
    expect(code).toBe(0);
    expect(stdout).toContain("needed\nnomad-\n");
    expect(stdout).toContain(
      `config {\n    unveil = [\n      "r:${folder}/needed",\n    ]\n    identity_files = true\n  }`,
    );
    expect(stdout).toMatch(new RegExp(`It can do without: .*r:${folder}/optional`));
    expect(stdout).toMatch(new RegExp(`It looked for these, which do not exist: .*${folder}/missing`));
    expect(stdout).toMatch(/it did the same, without .*optional/);
  });

  it("runs the job at most as often as --tries allows", async () => {
    const job = shellJob(`cat ${hostFolder("optional")}/optional > /dev/null 2>&1; true`);
    const { code, stdout, stderr } = await learn(["--tries", "3", job]);
    expect(code).toBe(0);
    expect(stdout).toContain("Not every option was tried alone");
    // The trials say how many there may be, and leave no histories.
    expect(stderr).toMatch(/^Run 2 of at most 3: with \d+ options? of \d+$/m);
    const { stdout: tasks } = await call(["ps", "--all", "--json", "--state-dir", stateDir]);
    expect(tasks.trim().split("\n")).toHaveLength(1);
  });

  it("stops a run under the policy after the time that --stop-after gives, even if the first run ended by itself", async () => {
    const folder = hostFolder();
    chmodSync(folder, 0o777);
    const job = shellJob(`test -e ${folder}/once && sleep 600; touch ${folder}/once`);
    const { code, stdout } = await learn(["--stop-after", "10s", "--tries", "2", job]);
    expect(stdout).toContain("Without refusals, the job ended with exit code 0");
    expect(stdout).toContain("Under this policy it did not end by itself.");
    expect(code).not.toBe(0);
  });

  it("keeps and writes what it has learned when Ctrl-C interrupts the trials", async () => {
    const names = ["needed", "b", "c", "d", "e"];
    const folders = names.map((name) => `${hostFolder(name)}/${name}`);
    const job = shellJob(`cat ${folders[0]}; cat ${folders.slice(1).join(" ")} > /dev/null 2>&1; sleep 0.3`);
    const started = start(["run", "--learn", "--write", "--state-dir", stateDir, job], {
      program: [builtEntry],
    });
    await started.seen("Run 6 of at most 40", "stderr");
    started.child.kill("SIGINT");
    const { code, stdout, stderr } = await started.ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/it did the same.*\n.*Not every option was tried alone/);
    expect(stderr).toContain("Written to ");
    expect(readFileSync(job, "utf8")).toContain(`"r:${folders[0]}"`);
  });

  it("observes a host that has a second proc file system", async () => {
    const folder = hostFolder("page");
    const proc = join(folder, "proc");
    mkdirSync(proc);
    const inside = [
      "unshare",
      "--mount",
      "sh",
      "-c",
      `mount -t proc proc ${proc} && exec "$0" "$@"`,
      builtEntry,
    ];
    const { code, stdout } = await learn(["--tries", "2", shellJob(`cat ${folder}/page`)], {
      program: inside,
    });
    expect(stdout).toContain(`"r:${folder}/page"`);
    expect(code).toBe(0);
  });

  it("says that a host could not be observed, and learns nothing", async () => {
    const mount = findCgroup2Mount();
    const cgroup = `${mount}/exec2-test-${process.pid}`;
    mkdirSync(cgroup);
    onTestFinished(() => eventually(() => removeCgroups(cgroup)));
    // In a cgroup namespace, the tasks' cgroups are deeper than their paths say.
    const script = `echo $$ > ${cgroup}/cgroup.procs
      exec unshare --mount --cgroup sh -c 'mount -t cgroup2 none ${mount} && exec "$0" "$@"' "$0" "$@"`;
    const { code, stdout, stderr } = await learn([shellJob("echo ran")], {
      program: ["sh", "-ec", script, builtEntry],
    });
    expect(stdout).toBe("ran\n");
    expect(stderr).toContain("UNSUPPORTED: this host could not be observed");
    expect(code).toBe(125);
  });

  it("lists nothing in the task's own folders", async () => {
    const script =
      "cd /tmp; cp /bin/echo x; ./x own; mv x $NOMAD_TASK_DIR/z; mkdir $NOMAD_ALLOC_DIR/y; echo > /dev/shm/x";
    const { code, stdout } = await learn(["--tries", "2", shellJob(script)]);
    expect(code).toBe(0);
    expect(stdout).toContain("own\n");
    expect(stdout).not.toContain("Not unveiled");
    // The programs' own accesses, below /etc and /proc, may be listed.
    expect(stdout).not.toMatch(/"[rwxc]+:\/(?!etc|proc)/);
  });

  it("refuses a file that cannot be written before it starts the task, and loses no file on a full disk", async () => {
    const files = smallFileSystem("64k");
    const job = `${files}/job.hcl`;
    writeFileSync(job, readFileSync(shellJob("cat /etc/mime.types"), "utf8"));
    const before = readFileSync(job, "utf8");
    writeFileSync(`${files}/fill`, "x".repeat(60 * 1024));
    const full = await learn(["--write", "--tries", "2", job]);
    expect(full.code).toBe(125);
    expect(full.stderr).toMatch(
      /JOB_INVALID: the job file cannot be written: .*no space left on device\nhint: Free space/,
    );
    expect([readFileSync(job, "utf8"), readdirSync(files)]).toEqual([before, ["fill", "job.hcl"]]);
    remountReadOnly(files);
    const readOnly = await learn(["--write", job]);
    expect(readOnly.code).toBe(125);
    expect(readOnly.stderr).toMatch(
      /^JOB_INVALID: the job file cannot be written: .*read-only file system$/m,
    );
    expect(readOnly.stderr).not.toContain("started");
  });

  it("writes the policy to the job file, and a run with other input extends it", async () => {
    const folder = hostFolder("a", "b");
    const file = jobFileOf(`variable "name" {}
job "test" {
  group "group" {
    task "task" {
      driver = "exec2"
      config {
        command = "cat" # prints
        args    = ["${folder}/\${var.name}"]
      }
    }
  }
}
`);
    const before = readFileSync(file, "utf8");
    const list = (...names: string[]) =>
      before.replace(
        '"]\n',
        `"]\n        unveil = [\n${names.map((name) => `          "r:${folder}/${name}",\n`).join("")}        ]\n`,
      );
    expect(await learn(["--write", "--var", "name=a", file])).toMatchObject({ code: 0 });
    expect(readFileSync(file, "utf8")).toBe(list("a"));
    expect(await learn(["--write", "--var", "name=b", file])).toMatchObject({ code: 0 });
    expect(readFileSync(file, "utf8")).toBe(list("a", "b"));
    const again = await learn(["--write", "--var", "name=b", file]);
    expect(again.stdout).toContain("It needs no further options.");
    expect(again.stderr).toContain("There is nothing to write.");
    expect(readFileSync(file, "utf8")).toBe(list("a", "b"));
  });

  it("extends the job's lists of ports, and only names the ports if the job has no list", async () => {
    const connect =
      "perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => \"127.0.0.1:9\") or exit($!{EACCES} ? 3 : 0)'";
    const free = await learn([shellJob(connect)]);
    expect(free.stdout).toContain("It may use all TCP ports. Those that it used: connect_tcp = [9]");
    const limited = shellJob(connect);
    const source = readFileSync(limited, "utf8").replace(
      "config {",
      "config {\n        connect_tcp = [53] # names",
    );
    writeFileSync(limited, source);
    expect(await call(["run", "--state-dir", stateDir, limited])).toMatchObject({ code: 3 });
    const learned = await learn(["--write", limited]);
    expect(learned).toMatchObject({ code: 0, stdout: expect.stringContaining("Added to connect_tcp: 9") });
    expect(readFileSync(limited, "utf8")).toBe(source.replace("[53]", "[53, 9]"));
  });

  it("proposes egress with the names that the task has asked for, and extends the job's list", async () => {
    const [own, port] = [ownAddress(), await listeningPort()];
    const names = nameServer({ "db.example.org": own });
    const perl = `use IO::Socket::INET; for (@ARGV) { IO::Socket::INET->new(PeerAddr => $_) or exit($!{EPERM} ? 3 : 4) }`;
    const script = `perl -e '${perl}' db.example.org:${port}`;
    const withServer = (job: string) => {
      const dns = `group "group" {\n    network {\n      dns {\n        servers = ["${names.address}"]\n      }\n    }`;
      const source = readFileSync(job, "utf8").replace('group "group" {', dns);
      writeFileSync(job, source);
      return { job, source };
    };
    const free = await learn([withServer(shellJob(script)).job]);
    expect(free.stdout).toContain(
      `It may connect everywhere. Where it did: egress = ["tcp:db.example.org:${port}"]`,
    );
    const limited = withServer(shellJob(script));
    const source = limited.source.replace("config {", 'config {\n        egress = ["192.0.2.1"]');
    writeFileSync(limited.job, source);
    expect(await call(["run", "--state-dir", stateDir, limited.job])).toMatchObject({ code: 3 });
    const learned = await learn(["--write", limited.job]);
    expect(learned).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Added to egress: tcp:db.example.org:${port}`),
    });
    expect(readFileSync(limited.job, "utf8")).toBe(
      source.replace('["192.0.2.1"]', `["192.0.2.1", "tcp:db.example.org:${port}"]`),
    );
  });

  it("names accesses that no policy can allow, says that the task fails without them, and then writes nothing", async () => {
    const job = shellJob("ls / > /dev/null && echo listed");
    const before = readFileSync(job, "utf8");
    const { code, stdout, stderr } = await learn(["--write", job]);
    expect(stdout).toContain("Not unveiled: r:/ is all of the host");
    expect(stdout).toMatch(/Under this policy it ended otherwise: exit code 2\. It missed: \/\./);
    expect(stderr).toContain("Nothing was written, because the tasks do not work with these options.");
    expect(readFileSync(job, "utf8")).toBe(before);
    expect(code).toBe(2);
  });

  it("stops a service after a time, or at Ctrl-C, and runs it again under the policy", async () => {
    const folder = hostFolder("page");
    const job = shellJob(`trap 'exit 3' INT; cat ${folder}/page; while :; do sleep 0.05; done`);
    const timed = await learn(["--stop-after", "500ms", job]);
    expect(timed).toMatchObject({ code: 0, stdout: expect.stringContaining(`"r:${folder}/page"`) });
    expect(timed.stdout).toMatch(/ran until it was stopped .*\n.*it did the same/);
    const started = start(["run", "--learn", "--state-dir", stateDir, job], { program: [builtEntry] });
    await started.seen("page\n");
    started.child.kill("SIGINT");
    expect((await started.ended).stdout).toMatch(/ran until it was stopped .*\n.*it did the same/);
  });

  it("refuses invalid arguments", async () => {
    const job = shellJob("true");
    const refused = (args: readonly string[]) => call(["run", "--state-dir", stateDir, ...args, job]);
    expect(await refused(["--write"])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("--write is for run --learn"),
    });
    expect(await refused(["--learn", "--tries", "1"])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("--tries 1"),
    });
    expect(await refused(["--learn", "--stop-after", "soon"])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("not a duration"),
    });
    const mount = 'config {\n command = "true"\n mount {\n source = "local/x"\n target = "/x"\n}\n}';
    const mounting = jobFileOf(`job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n ${mount}\n}\n}\n}`);
    expect(await learn([mounting])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("task t has a mount block, with which no job can be learned"),
    });
    const json = join(temporaryFolder(), "job.json");
    writeFileSync(
      json,
      JSON.stringify({
        job: { a: { group: { a: { task: { a: { driver: "exec2", config: { command: "true" } } } } } } },
      }),
    );
    expect(await learn(["--write", json])).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("a job file in JSON"),
    });
    expect(await learn([job], { unprivileged: true })).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("root"),
    });
  });
});
