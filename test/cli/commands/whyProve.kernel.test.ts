/** `why --prove`: what it finds, what it leaves untouched, and what it leaves behind. */
import { once } from "node:events";
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { blackBoxProblem } from "../../support/host/blackBoxProblem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, jobFileOf, shellJob, start } from "../../support/screen/commandLine.ts";

const problem = await blackBoxProblem("proofs of a cause");

/** A folder that every user may read, and write to if asked. It is not in /tmp, which a task's own /tmp would hide. */
function hostFolder(mode = 0o755): string {
  const folder = temporaryFolder("/var/tmp");
  chmodSync(folder, mode);
  return folder;
}

/** The processes whose command, environment or working directory is in a folder. */
function processesOf(folder: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].some((path) =>
          readFileSync(path, "utf8").includes(folder),
        );
      } catch {
        return false;
      }
    });
}

interface TaskText {
  readonly script: string;
  readonly config?: string;
  readonly more?: string;
}

function write(path: string, { script, config = "", more = "" }: TaskText): string {
  const text = readFileSync(shellJob(script, more), "utf8");
  writeFileSync(path, text.replace('command = "sh"', `command = "sh"\n        ${config}`));
  return path;
}

/** The work folders of runs of a job file. */
const workFolders = (job: string) =>
  readdirSync("/var/tmp").filter(
    (name) =>
      name.startsWith("nomad-driver-exec2-") &&
      existsSync(`/var/tmp/${name}/run.json`) &&
      readFileSync(`/var/tmp/${name}/run.json`, "utf8").includes(job),
  );

const proveIn = (stateDir: string, job: string, ...more: string[]) =>
  call(["why", "task", "--state-dir", stateDir, "--prove", job, ...more]);

describe("why --prove", { timeout: 120_000 }, () => {
  it.skipIf(problem !== undefined)("finds the path that the run missed", async () => {
    const path = `${hostFolder()}/app.conf`;
    writeFileSync(path, "text", { mode: 0o644 });
    const stateDir = temporaryFolder();
    const job = shellJob(
      `exec perl -e 'open(F, "<", $ARGV[0]) or exit 3' ${path}`,
      'env { TOKEN = "hidden-value-17" }',
    );
    const run = await call(["run", "--state-dir", stateDir, job]);
    expect(run.code).toBe(3);
    const [, offered] = /To try what would help task: (nomad-driver-exec2 why .*)$/m.exec(run.stderr) ?? [];
    expect(offered).toMatch(
      new RegExp(`^nomad-driver-exec2 why [0-9a-f]{8}/task --state-dir ${stateDir} --prove ${job}$`),
    );
    const [, name = ""] = /why (\S+)/.exec(offered ?? "") ?? [];
    const { code, stdout, stderr } = await call(["why", name, "--state-dir", stateDir, "--prove", job]);
    expect(stderr).toBe("");
    expect(stdout).toContain("without any change: it exits 3");
    expect(stdout).toMatch(new RegExp(`\n\nwith unveil = \\["r:${path}"\\] it exits 0\n$`));
    expect(code).toBe(0);
    expect(stdout).not.toContain("hidden-value-17");
  });

  it("finds the difference to the last good run", async () => {
    const stateDir = temporaryFolder();
    const path = `${hostFolder()}/app.conf`;
    writeFileSync(path, "text", { mode: 0o644 });
    const job = jobFileOf("");
    const script = `exec cat ${path}`;
    expect(
      (await call(["run", "--state-dir", stateDir, write(job, { script, config: `unveil = ["r:${path}"]` })]))
        .code,
    ).toBe(0);
    expect(
      (
        await call([
          "run",
          "--state-dir",
          stateDir,
          "-o",
          "black_box=off",
          write(job, { script, config: "unveil = []" }),
        ])
      ).code,
    ).toBe(1);
    const { code, stdout } = await proveIn(stateDir, job);
    expect(stdout).toContain(`with unveil = ["r:${path}"] of its last good run it exits 0`);
    expect(code).toBe(0);
  });

  it("says that no change helps, with no network and nothing written to a volume, and names --network", async () => {
    const stateDir = temporaryFolder();
    const folder = hostFolder(0o777);
    const job = jobFileOf("");
    let reached = 0;
    const server = createServer((socket) => {
      reached += 1;
      socket.destroy();
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const text = (code: number) => {
      const vol = "$NOMAD_TASK_DIR/../vol";
      const script = `if bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}'; then echo x > ${vol}/written; exit ${code}; fi; exit 4`;
      writeFileSync(
        job,
        `job "test" {
  group "group" {
    volume "vol" {
      type   = "host"
      source = "vol"
    }
    task "task" {
      driver = "exec2"
      config {
        command = "sh"
        args    = ["-c", ${JSON.stringify(script)}]
      }
      volume_mount {
        volume      = "vol"
        destination = "vol"
      }
    }
  }
}
`,
      );
      return job;
    };
    const volume = ["--host-volume", `vol=${folder}`];
    for (const code of [0, 9]) {
      const run = await call(["run", "--state-dir", stateDir, ...volume, text(code)]);
      expect(run.code).toBe(code);
      expect(run.stderr.includes("To try what would help task, with the options of this run: ")).toBe(
        code === 9,
      );
    }
    expect(reached).toBe(2);
    expect(readdirSync(folder)).toEqual(["written"]);
    for (const name of readdirSync(folder)) rmSync(`${folder}/${name}`);
    const { code, stdout } = await proveIn(stateDir, job, ...volume);
    expect(code).toBe(1);
    // Without a network, the script reaches nothing and exits 4.
    expect(stdout).toContain("Without any change it exits 4; in the recorded run, it exits 9");
    expect(stdout).toContain("this change does not help");
    expect(stdout).toContain("--network lets the trials have it");
    expect(readdirSync(folder)).toEqual([]);
    expect(reached).toBe(2);
    const withNetwork = await proveIn(stateDir, job, ...volume, "--network");
    expect(withNetwork.stdout).toContain("with args of its last good run it exits 0");
    expect(withNetwork.code).toBe(0);
    expect(reached).toBe(4);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("says that the run does not fail this time", async () => {
    const stateDir = temporaryFolder();
    const path = `${hostFolder()}/flag`;
    const job = jobFileOf("");
    const more = { config: `unveil = ["r:${path.replace(/\/flag$/, "")}"]` };
    writeFileSync(path, "");
    const script = `test -e ${path}`;
    await call(["run", "--state-dir", stateDir, write(job, { script, ...more })]);
    expect(existsSync(path)).toBe(true);
    await call(["run", "--state-dir", stateDir, write(job, { script: `${script}x`, ...more })]);
    writeFileSync(`${path}x`, "");
    const { code, stdout } = await proveIn(stateDir, job);
    expect(stdout).toContain("It did not fail this time: without any change it exits 0");
    expect(code).toBe(2);
  });

  it("leaves nothing behind, also after Ctrl-C", async () => {
    const stateDir = temporaryFolder();
    const job = jobFileOf("");
    const folder = hostFolder();
    const script = (tail: string) => `test -e ${folder}/slow && sleep 4.25; ${tail}`;
    const config = `unveil = ["r:${folder}"]`;
    await call(["run", "--state-dir", stateDir, write(job, { script: script("exit 0"), config })]);
    await call(["run", "--state-dir", stateDir, write(job, { script: script("exit 5"), config })]);
    writeFileSync(`${folder}/slow`, "");
    const started = start(["why", "task", "--state-dir", stateDir, "--prove", job]);
    await started.seen("without any change: it exits 5");
    expect(workFolders(job)).toHaveLength(1);
    const work = `/var/tmp/${workFolders(job)[0]}`;
    started.child.kill("SIGINT");
    const { code, stdout } = await started.ended;
    expect(stdout).toContain("Interrupted: nothing is proven");
    expect(code).toBe(130);
    expect(existsSync(work)).toBe(false);
    // Nothing runs any more whose folders these were.
    expect(processesOf(work)).toEqual([]);
  });

  it("refuses what it cannot try", async () => {
    const stateDir = temporaryFolder();
    const job = shellJob("exit 0");
    await call(["run", "--state-dir", stateDir, job]);
    const { code, stderr } = await proveIn(stateDir, job);
    expect(stderr).toContain("PROOF_IMPOSSIBLE");
    expect(code).not.toBe(0);
  });

  it("refuses a run whose arguments are recorded in part", async () => {
    const stateDir = temporaryFolder();
    const job = jobFileOf("");
    await call(["run", "--state-dir", stateDir, write(job, { script: "exit 0" })]);
    await call(["run", "--state-dir", stateDir, write(job, { script: `exit 3 # ${"x".repeat(80_000)}` })]);
    const { code, stderr } = await proveIn(stateDir, job);
    expect(stderr).toContain("are too long to be recorded as a whole");
    expect(code).toBe(1);
  });

  it("wants the plugin block for an agent's run, which it may have restricted more than a local run is", async () => {
    const stateDir = temporaryFolder();
    const job = jobFileOf("");
    await call(["run", "--state-dir", stateDir, write(job, { script: "exit 0" })]);
    await call(["run", "--state-dir", stateDir, write(job, { script: "exit 3" })]);
    const agents = temporaryFolder();
    renameSync(`${stateDir}/local/1/events`, `${agents}/events`);
    const refused = await proveIn(agents, job);
    expect(refused.stderr).toContain("PROOF_IMPOSSIBLE");
    expect(refused.stderr).toContain("Give the client's plugin block with --plugin-config");
    const block = `${hostFolder()}/client.hcl`;
    writeFileSync(block, 'plugin "nomad-driver-exec2" {\n  config {\n    unveil_defaults = true\n  }\n}\n');
    const { code, stdout } = await proveIn(agents, job, "--plugin-config", block);
    expect(stdout).toContain("with args of its last good run it exits 0");
    expect(code).toBe(0);
  });
});
