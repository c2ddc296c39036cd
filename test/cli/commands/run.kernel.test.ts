/** `run` from end to end: the program acts as a small Nomad client for its own plugin. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { basename, join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { makeWorkFolder } from "../../../src/localAgent/work/workFolder.ts";
import { untilServed } from "../../support/host/loopback.ts";
import { processesNamed } from "../../support/host/processes.ts";
import { remountReadOnly, smallFileSystem } from "../../support/host/smallFileSystem.ts";
import { persistentFolders, temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";
import { call, jobFileOf, shellJob, start } from "../../support/screen/commandLine.ts";

const examples = `${import.meta.dirname}/../../../examples`;

/** Arguments of a run with a separate event log for the test. */
const running = (...args: string[]) => ["run", "--state-dir", temporaryFolder(), ...args];

/** The reasons of all stops that a state folder's log has. */
async function stopReasons(stateDir: string): Promise<unknown[]> {
  const { stdout } = await call(["events", "--state-dir", stateDir, "--json"]);
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return events.filter(({ type }) => type === "stopRequested").map(({ data }) => data.reason);
}

/**
 * The plugin's pid, once its execve(2) has finished. If the child were stopped before its execve(2), the run
 * would wait for the child.
 */
function launchedPlugin(pid = 0): number | undefined {
  const child = Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"), 10);
  if (Number.isNaN(child)) return undefined;
  return readFileSync(`/proc/${child}/environ`, "utf8").includes("NOMAD_PLUGIN_MAGIC_COOKIE")
    ? child
    : undefined;
}

describe("a job of one task", () => {
  it("shows what the task writes, and ends with the task's exit code", async () => {
    const job = shellJob("echo out; echo err >&2; exit 7");
    const { code, stdout, stderr } = await call(running(job));
    expect(code).toBe(7);
    expect(stdout).toBe("out\n");
    expect(stderr).toMatch(/^err$/m);
    expect(stderr).toMatch(/^task: exit code 7 after (\d|< 1)/m);
  });

  it("shows the same duration as the task's history", async () => {
    const stateDir = temporaryFolder();
    const { stderr } = await call(["run", "--state-dir", stateDir, shellJob("sleep 0.3")]);
    const [, span = ""] = /^task: exit code 0 after (.+)$/m.exec(stderr) ?? [];
    expect(span).toMatch(/^\d+ ms$/);
    expect((await call(["events", "--state-dir", stateDir])).stdout).toContain(` ${span} `);
  });

  it("ends with 128 and the signal that killed the task", async () => {
    const { code, stderr } = await call(running(shellJob("kill -KILL $$")));
    expect(code).toBe(137);
    expect(stderr).toContain("task: killed by SIGKILL after");
  });

  it.each(["...", "-n", "a b", "[*?]", "\u001b[31m", "x".repeat(200)])(
    "may have the name %j",
    async (name) => {
      const job = jobFileOf(
        readFileSync(shellJob("printf '%s\\n' \"$NOMAD_TASK_NAME\""), "utf8").replace('"task"', () =>
          JSON.stringify(name),
        ),
      );
      const { code, stdout } = await call(running(job));
      expect([code, stdout]).toEqual([0, `${name}\n`]);
    },
  );

  it("passes on every byte if the output is not a terminal", async () => {
    const script = `i=0; while [ $i -lt 20 ]; do head -c 1048576 /dev/zero | tr '\\0' '\\377'; i=$((i+1)); done; printf '\\000\\001 end'`;
    const { child, ended } = start(running(shellJob(script)));
    const hash = createHash("sha256");
    child.stdout?.on("data", (chunk) => hash.update(chunk));
    expect((await ended).code).toBe(0);
    const expected = createHash("sha256");
    for (let block = 0; block < 20; block++) expected.update(Buffer.alloc(1_048_576, 0xff));
    expected.update(Buffer.from([0, 1]));
    expected.update(" end");
    expect(hash.digest("hex")).toBe(expected.digest("hex"));
  });

  it("gives the task the folders, environment, user and files that a client gives", async () => {
    const script = "pwd; env; id -u; cat local/file; ls -ld local secrets tmp; cat /proc/self/cgroup";
    const more = `
      env {
        GREETING = "hello \${NOMAD_TASK_NAME}"
      }
      template {
        destination = "local/file"
        data        = "from {{ env \\"GREETING\\" }}"
      }`;
    const job = shellJob(script, more);
    const given = (await call(running("-o", "unveil_paths=r:/proc", job))).stdout;
    const user = /^USER=nomad-(\d+)$/m.exec(given)?.[1];
    expect(given).toMatch(new RegExp(`^${user}$`, "m"));
    expect(given).toMatch(/^GREETING=hello task$/m);
    expect(given).toContain("from hello task");
    const alloc = /^NOMAD_ALLOC_ID=([0-9a-f-]{36})$/m.exec(given)?.[1];
    expect(given).toMatch(new RegExp(`^NOMAD_TASK_DIR=(.*/alloc/${alloc}/task)/local$`, "m"));
    expect(given).toContain(`/nomad-driver-exec2.slice/${alloc}.task.scope`);
    expect(given).not.toContain("NO_COLOR");
  });

  it("has output that is not mixed with the run's own lines", async () => {
    const script = "printf 'a line that is ' >&2; sleep 2; echo whole >&2; echo 'the next' >&2; exit 3";
    const { code, stderr } = await call(running("--verbose", shellJob(script)));
    expect(code).toBe(3);
    expect(stderr).toMatch(/^a line that is whole$/m);
    expect(stderr).toMatch(/^task +\* .*started/m);
    expect(stderr).toMatch(/^task: exit code 3/m);
  });

  it("leaves nothing behind", async () => {
    const { stdout } = await call(running(shellJob('echo "$NOMAD_TASK_DIR"; sleep 1000 & exit 0')));
    const folder = stdout.trim();
    expect(folder).toMatch(/^\/var\/tmp\/nomad-driver-exec2-/);
    expect(existsSync(folder)).toBe(false);
    const alloc = basename(folder.replace(/\/task\/local$/, ""));
    expect(processesNamed(`exec2-init: ${alloc.slice(0, 8)}`)).toEqual([]);
  });

  it("has a separate event log beside another run", async () => {
    const stateDir = temporaryFolder();
    const run = (script: string) => start(["run", "--state-dir", stateDir, shellJob(script)]);
    await run("echo up; exec sleep 1000").seen("up");
    expect(await run("exit 3").ended).toMatchObject({ code: 3 });
    expect(readdirSync(`${stateDir}/local`).sort()).toEqual(["1", "2"]);
  });

  it("keeps the folders on request", async () => {
    const { stdout, stderr } = await call(
      running("--keep", shellJob('echo kept > local/x; echo "$NOMAD_TASK_DIR"')),
    );
    const folder = stdout.trim();
    expect(existsSync(`${folder}/x`)).toBe(true);
    const work = /keeping folders: (\S+)/.exec(stderr)?.[1] ?? "";
    expect(folder.startsWith(`${work}/`)).toBe(true);
    rmSync(work, { recursive: true });
  });

  it("works from any folder, and with the job on standard input", async () => {
    const input =
      'job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n config {\n command = "echo"\n args = ["piped"]\n}\n}\n}\n}';
    const cwd = temporaryFolder();
    const { code, stdout } = await call(["run", "--state-dir", "state", "-"], { cwd, input });
    expect([code, stdout]).toEqual([0, "piped\n"]);
    expect(existsSync(`${cwd}/state/local/1`)).toBe(true);
  });
});

describe("a group with a count", () => {
  const counted = (script: string, count = 3) =>
    jobFileOf(
      readFileSync(shellJob(script), "utf8").replace(
        'group "group" {',
        `group "group" {\n count = ${count}\n`,
      ),
    );

  it("runs `count` instances, each with its number", async () => {
    const { code, stdout, stderr } = await call(
      running(counted('echo "$NOMAD_ALLOC_INDEX $NOMAD_ALLOC_NAME"; exit $NOMAD_ALLOC_INDEX')),
    );
    expect(stdout.split("\n").sort()).toEqual([
      "",
      "task[0] | 0 test.group[0]",
      "task[1] | 1 test.group[1]",
      "task[2] | 2 test.group[2]",
    ]);
    expect(stderr).toMatch(/^task\[2\]: started as [\da-f]{8}\/task$/m);
    expect(stderr).toMatch(/^task\[2\]: exit code 2/m);
    expect([1, 2]).toContain(code);
  });

  it("has instances that exec and ps find by the names that run shows", async () => {
    const stateDir = temporaryFolder();
    const run = start([
      "run",
      "--state-dir",
      stateDir,
      counted('echo "up $NOMAD_ALLOC_INDEX"; sleep 1000', 2),
    ]);
    await run.seen("up 0");
    await run.seen("up 1");
    const stderr = await run.seen("task[1]: started", "stderr");
    const name = /^task\[1\]: started as (\S+)$/m.exec(stderr)?.[1] ?? "";
    const script = ["printenv", "NOMAD_ALLOC_INDEX"];
    expect(await call(["exec", "--state-dir", stateDir, name, ...script])).toMatchObject({
      code: 0,
      stdout: "1\n",
    });
    const unclear = await call(["exec", "--state-dir", stateDir, "task", ...script]);
    expect(unclear.code).toBe(125);
    expect(unclear.stderr).toContain(name);
    expect(
      (await call(["ps", "--state-dir", stateDir])).stdout.match(/task/g)?.length,
    ).toBeGreaterThanOrEqual(2);
  });

  it("of zero runs nothing", async () => {
    const { code, stderr } = await call(running(counted("exit 3", 0)));
    expect(code).toBe(0);
    expect(stderr).toContain("group group: count is 0, nothing to run");
  });
});

describe("a group with a network of its own", () => {
  const server =
    "import http.server as h, os; P = int(os.environ['NOMAD_PORT_http']); " +
    "s = h.ThreadingHTTPServer(('127.0.0.1', P), h.SimpleHTTPRequestHandler); print('up', flush=True); s.serve_forever()";
  const bridged = (group: string, tasks: string) =>
    jobFileOf(`job "b" {
  group "g" {
    network {
      mode = "bridge"
      port "http" {
        to = 8000
        ${group}
      }
    }
    ${tasks}
  }
}`);
  const task = (name: string, ...command: string[]) => `task "${name}" {
      driver = "exec2"
      config {
        command = ${JSON.stringify(command[0])}
        args = ${JSON.stringify(command.slice(1))}
      }
    }
`;

  it("shares it among its tasks, and has its ports on the host", async () => {
    const env = "env | grep '^NOMAD_.*_http=' | sort; echo listed; sleep 1000";
    const job = bridged("", task("web", "python3", "-c", server) + task("env", "sh", "-c", env));
    const run = start(running(job));
    await run.seen("up");
    const stdout = await run.seen("listed\n");
    const port = /NOMAD_HOST_PORT_http=(\d+)/.exec(stdout)?.[1] ?? "";
    expect(stdout).toContain("NOMAD_PORT_http=8000\n");
    expect(stdout).toContain("NOMAD_ALLOC_PORT_http=8000\n");
    expect(stdout).toContain(`NOMAD_ADDR_http=127.0.0.1:${port}\n`);
    expect(await run.seen("port http", "stderr")).toContain(
      `port http: 127.0.0.1:${port}, 8000 in the group's network`,
    );
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${port}/local/`)),
    );
    for (const answer of answers) expect(answer.status).toBe(200);
    await expect(fetch("http://127.0.0.1:8000/")).rejects.toThrow();
    run.child.kill("SIGINT");
    await run.ended;
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it("says that a port of the host is in use", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await call(running(bridged(`static = ${port}`, task("t", "true"))));
    expect(code).toBe(125);
    expect(stderr).toContain(`port http (${port}) cannot be used`);
  });
});

describe("checks", () => {
  const python =
    "import http.server as h, os, sys\\n" +
    "class H(h.BaseHTTPRequestHandler):\\n" +
    "  def do_GET(s):\\n" +
    "    s.send_response(503 if os.path.exists('local/sick') else 200); s.end_headers()\\n" +
    "  def log_message(s, *a): pass\\n" +
    "print('up', flush=True)\\n" +
    "h.HTTPServer(('127.0.0.1', int(os.environ['NOMAD_PORT_http'])), H).serve_forever()";
  const checked = (mode: string, restart = "") =>
    jobFileOf(`job "c" {
  group "g" {
    network {
      mode = "${mode}"
      port "http" {}
    }
    service {
      name = "web"
      port = "http"
      ${restart}
      check {
        type     = "http"
        path     = "/health"
        interval = "1s"
        timeout  = "5s"
      }
      check {
        type     = "tcp"
        interval = "1s"
        timeout  = "5s"
      }
      check {
        type     = "script"
        name     = "marker"
        task     = "t"
        command  = "sh"
        args     = ["-c", "! test -e local/sick || exit 2"]
        interval = "1s"
        timeout  = "5s"
      }
    }
    task "t" {
      driver = "exec2"
      config {
        command = "python3"
        args    = ["-c", "${python}"]
      }
    }
  }
}`);

  it.each(["host", "bridge"])("show what becomes healthy and unhealthy, in mode %s", async (mode) => {
    const stateDir = temporaryFolder();
    const run = start(["run", "--state-dir", stateDir, checked(mode)]);
    await run.seen("check web: http on /health: healthy", "stderr");
    await run.seen("check web: tcp: healthy", "stderr");
    await run.seen("check web: marker: healthy", "stderr");
    expect((await call(["exec", "--state-dir", stateDir, "t", "touch", "local/sick"])).code).toBe(0);
    await run.seen("check web: http on /health: unhealthy (HTTP 503)", "stderr");
    await run.seen("check web: marker: unhealthy (exit code 2)", "stderr");
    run.child.kill("SIGINT");
    const { stderr } = await run.ended;
    expect(stderr.split("http on /health: unhealthy")).toHaveLength(2);
    expect(stderr).not.toContain("tcp: unhealthy");
  });

  it("restart a task that stays unhealthy", async () => {
    const stateDir = temporaryFolder();
    const restart = 'check_restart {\n limit = 2\n grace = "0s"\n}';
    const run = start(["run", "--state-dir", stateDir, checked("host", restart)]);
    await run.seen("check web: http on /health: healthy", "stderr");
    await call(["exec", "--state-dir", stateDir, "t", "touch", "local/sick"]);
    await run.seen("failed 2 times in a row: restarting t", "stderr");
    await run.seen("t: killed by SIGINT", "stderr");
    expect((await run.seen("up\nup\n")).match(/up/g)?.length).toBeGreaterThanOrEqual(2);
    run.child.kill("SIGINT");
    await run.ended;
    const reasons = await stopReasons(stateDir);
    expect(reasons[0]).toMatch(/^check web: \S.* failed 2 times in a row$/);
    expect(reasons.at(-1)).toBe("the run got SIGINT");
  });
});

describe("a job that cannot be run", () => {
  it.each([
    [
      "a command that does not exist",
      'command = "no-such-program"',
      "COMMAND_NOT_FOUND",
      "no-such-program",
      127,
    ],
    [
      "a command that is not a program",
      'command = "/etc/passwd"',
      "COMMAND_NOT_EXECUTABLE",
      "not a regular file with an execute bit",
      126,
    ],
    [
      "a path to unveil that does not exist",
      'command = "true"\nunveil = ["r:/nowhere"]',
      "UNVEIL_PATH_MISSING",
      "finds nothing at the path /nowhere, which the task's config unveils: no such file or directory",
      126,
    ],
    [
      "an option that the driver does not have",
      'command = "true"\ncomand = "x"',
      "JOB_INVALID",
      "job.j.group.g.task.t.config.comand",
      125,
    ],
    [
      "an option of another type",
      'command = "true"\nargs = "x"',
      "JOB_INVALID",
      "config.args: it must be a list",
      125,
    ],
    [
      "a reference to nothing",
      `command = "\${NOMAD_PORT_http}"`,
      "JOB_INVALID",
      `config.command: \${NOMAD_PORT_http} is unknown`,
      125,
    ],
    ["an invalid unveil entry", 'command = "true"\nunveil = ["q:/x"]', "JOB_INVALID", "q:/x", 125],
  ])("is reported once: %s", async (_, config, errorCode, detail, expected) => {
    const job = jobFileOf(
      `job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n config {\n${config}\n}\n}\n}\n}`,
    );
    const { code, stdout, stderr } = await call(running(job));
    expect(code).toBe(expected);
    expect(stdout).toBe("");
    expect(stderr.split(`${errorCode}: `)).toHaveLength(2);
    if (expected !== 125) expect(stderr).toContain(`${errorCode}: task t: `);
    expect(stderr).toContain(detail);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it("is reported: an option that the plugin does not have", async () => {
    const { code, stderr } = await call(running("-o", "unveil_path=r:/x", shellJob("true")));
    expect(code).toBe(125);
    expect(stderr).toContain("CONFIG_INVALID: plugin option unveil_path: the driver has no such option");
  });

  it("is reported: an undefined host volume, or one without an absolute path", async () => {
    const job = `${examples}/volume.nomad.hcl`;
    expect(await call(running(job))).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(
        /^JOB_NEEDS_CLUSTER: .*the host volume "notes" has no path: add --host-volume notes=\/path/m,
      ),
    });
    expect(await call(running("--host-volume", "notes=tmp", job))).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/CONFIG_INVALID: --host-volume notes: "tmp" is not an absolute path/),
    });
  });

  it("is reported: a state folder that cannot be used, with a hint on a separate line", async () => {
    const stateDir = temporaryFolder();
    writeFileSync(`${stateDir}/local`, "");
    const { code, stderr } = await call(["run", "--state-dir", stateDir, shellJob("true")]);
    expect(code).toBe(125);
    expect(stderr.replaceAll("\n", " ")).toContain(
      `STATE_DIR_UNUSABLE: the state folder ${stateDir}/local/1 cannot be used: not a directory`,
    );
    expect(stderr).toMatch(/^hint: Its path is not a folder/m);
  });

  it("is reported before any task starts: a host name, which no client allows for this driver", async () => {
    const network = 'network {\n mode = "none"\n hostname = "web"\n}';
    const task = 'task "t" {\n driver = "exec2"\n config {\n command = "true"\n}\n}';
    const job = jobFileOf(`job "j" {\n group "g" {\n ${network}\n ${task}\n}\n}`);
    const plan = ["doctor", "--state-dir", temporaryFolder(), "--plan", job];
    const [ran, planned] = [await call(running(job)), await call(plan)];
    expect([ran.code, planned.code]).toEqual([125, 1]);
    for (const { stderr } of [ran, planned]) {
      expect(stderr).toContain("a client refuses network { hostname } for this driver");
      expect(stderr).not.toContain("started");
    }
  });

  it("is no error of a plan that root_dir is not unpacked yet", async () => {
    const config = (command: string) =>
      `config {\n command = "${command}"\n root_dir = "local/root"\n disk_limit = 5\n}`;
    const template = 'template {\n data = "x"\n destination = "local/root/bin/x"\n perms = "755"\n}';
    const job = jobFileOf(
      `job "j" {\n group "g" {\n task "later" {\n driver = "exec2"\n ${config("true")}\n}\n task "now" {\n driver = "exec2"\n ${config("/bin/x")}\n ${template}\n}\n}\n}`,
    );
    const options = ["--state-dir", temporaryFolder(), "-o", "allow_root_dir=true"];
    const { code, stdout } = await call(["doctor", ...options, "--plan", job]);
    expect(code).toBe(0);
    expect(stdout).toContain('No plan: root_dir "local/root" does not exist yet');
    expect(stdout).toMatch(/^disk_limit +5 MiB/m);
    expect(stdout).toMatch(/^rx +\/bin +root_dir$/m);
  });

  it("is no error of a plan that the source of a mount is not there yet, and one of a start", async () => {
    const mount = 'mount {\n source = "local/app.conf"\n target = "/etc/app/app.conf"\n}';
    const template = 'template {\n data = "x"\n destination = "local/app.conf"\n}';
    const jobWith = (more: string) =>
      jobFileOf(
        `job "j" {\n group "g" {\n task "t" {\n driver = "exec2"\n config {\n command = "true"\n ${mount}\n}\n ${more}\n}\n}\n}`,
      );
    const plan = (job: string) => call(["doctor", "--state-dir", temporaryFolder(), "--plan", job]);
    const [later, now] = [await plan(jobWith("")), await plan(jobWith(template))];
    expect([later.code, now.code]).toEqual([0, 0]);
    expect(later.stdout).toContain(
      "No plan: the source of the mount at /etc/app/app.conf does not exist yet",
    );
    expect(now.stdout).toMatch(/^rx? +\/etc\/app\/app\.conf +mount$/m);
    const { code, stderr } = await call(running(jobWith("")));
    expect(code).toBe(126);
    expect(stderr).toContain("MOUNT_SOURCE_MISSING");
  });

  it("is reported: missing root rights", async () => {
    const { code, stderr } = await call(["run", `${examples}/hello.nomad.hcl`], { unprivileged: true });
    expect(code).toBe(125);
    expect(stderr).toMatch(/^USER_FORBIDDEN: this needs root: .*\nhint: Try again with sudo\n$/);
  });

  it("is reported: a full disk, and a read-only disk", async () => {
    const full = smallFileSystem("64k");
    const readOnly = smallFileSystem("64k");
    remountReadOnly(readOnly);
    const run = async (stateDir: string) =>
      (await call(["run", "--state-dir", stateDir, shellJob("true")])).stderr;
    expect(await run(`${full}/state`)).toMatch(
      /^STORE_FAILED: the file system of the event log is full: \d+ KiB are left, 16 MiB are kept free: .*: no space left on device\nhint: Free space on the file system of state_dir$/m,
    );
    // That run has left a folder without a log. Other verbs report only that there is no log.
    expect((await call(["ps", "--state-dir", `${full}/state`])).stderr).toMatch(
      /^STORE_FAILED: .*\nhint: Run a job first/,
    );
    expect(await run(`${readOnly}/state`)).toMatch(
      /^STATE_DIR_UNUSABLE: the state folder \S+ cannot be used: read-only file system\nhint: Mount its file system read-write/m,
    );
  });

  it("is reported: no room for the run's folder, and nothing is left", async () => {
    const full = smallFileSystem("4k");
    writeFileSync(`${full}/fill`, "x".repeat(4096));
    await expect(makeWorkFolder({ job: "x", keep: false }, full)).rejects.toThrow(
      /^the run's folder cannot be made in \S+ \(write: ENOSPC\)$/,
    );
    expect(readdirSync(full)).toEqual(["fill"]);
  });

  it("is reported: a state folder where the kernel creates no folders", async () => {
    expect(await call(["run", "--state-dir", "/proc/none", shellJob("true")])).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^STATE_DIR_UNUSABLE: .*\/proc is on a kernel file system/ms),
    });
  });

  it("is reported: a limit of open files that is too low, and nothing is left", async () => {
    const job = shellJob("true");
    const command = `ulimit -n 26; exec ${process.execPath} ${programEntry} run --state-dir ${temporaryFolder()} ${job}`;
    const { status, stderr } = spawnSync("sh", ["-c", command], {
      encoding: "utf8",
      env: { PATH: process.env.PATH },
    });
    expect(status).toBe(125);
    expect(stderr).toMatch(/too many open files\nhint: Raise the limit of open files: ulimit -n\n$/);
    expect(stderr).toMatch(/^PLUGIN_FAILED: /m);
    expect(stderr).not.toMatch(/EMFILE|^ +at /m);
    expect((await call(["clean", "--dry-run"])).stdout).not.toContain(job);
  });

  it("is reported: a port in use", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const network = `network {\n port "http" {\n static = ${port}\n}\n}`;
    const task = 'task "t" {\n driver = "exec2"\n config {\n command = "true"\n}\n}';
    const { code, stderr } = await call(
      running(jobFileOf(`job "j" {\n group "g" {\n ${network}\n ${task}\n}\n}`)),
    );
    expect(code).toBe(125);
    expect(stderr).toContain(
      `JOB_INVALID: port http (${port}) cannot be used: 127.0.0.1:${port}: address already in use\n` +
        `hint: Stop the program that listens there, or leave out static = ${port} to get a free port\n`,
    );
  });

  it("ends the other tasks of its group", async () => {
    const job = jobFileOf(`job "j" {
      group "g" {
        task "bad" {
          driver = "exec2"
          config {
            command = "no-such-program"
          }
        }
        task "good" {
          driver = "exec2"
          config {
            command = "sleep"
            args    = ["1000"]
          }
        }
      }
    }`);
    const { code, stderr } = await call(running(job));
    expect(code).toBe(127);
    expect(stderr).toContain("COMMAND_NOT_FOUND: task bad: ");
    expect(stderr).toMatch(/^good: stopped, because bad failed$/m);
  });
});

describe("a run that is interrupted", () => {
  it("stops the task with its own signal, and exits with the task's exit code", async () => {
    const job = shellJob(
      "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done",
      'kill_signal = "SIGTERM"',
    );
    const { child, ended, seen } = start(running(job));
    await seen("up");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(5);
    expect(stdout).toBe("up\nbye\n");
    expect(stderr).toContain("SIGINT: stopping the tasks");
  });

  it("kills the task at the next interrupt", async () => {
    const job = shellJob("trap 'echo no' INT; echo up; while :; do sleep 0.1; done", 'kill_timeout = "60s"');
    const { child, ended, seen } = start(running(job));
    await seen("up");
    child.kill("SIGINT");
    await seen("no");
    child.kill("SIGINT");
    expect((await ended).code).toBe(137);
  });

  it("kills a task that does not stop, with Nomad's message", async () => {
    const job = shellJob("trap '' INT; echo up; while :; do sleep 0.1; done", 'kill_timeout = "1ms"');
    const { child, ended, seen } = start(running(job));
    await seen("up");
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect(code).toBe(137);
    expect(stderr).toMatch(/^warning: task: Killed: still running 1 ms after SIGINT$/m);
  });

  it("ends even if its plugin does not answer", async () => {
    const run = start(running(shellJob("true")));
    process.kill(
      await vi.waitUntil(() => launchedPlugin(run.child.pid), { interval: 1, timeout: 20_000 }),
      "SIGSTOP",
    );
    run.child.kill("SIGINT");
    expect(await run.ended).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/^SIGINT: stopping the tasks; press Ctrl-C again to kill them\n$/m),
    });
  });

  it("stops the task, too, when nobody reads its output any more", async () => {
    const { child, ended, seen } = start(
      running(shellJob("while echo more; do sleep 0.05; done; sleep 1000")),
    );
    await seen("more");
    child.stdout?.destroy();
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toContain("the reader of the output has gone: stopping the tasks");
  });
});

describe("a plugin that dies", () => {
  it("is started again, and the task keeps running", async () => {
    const script = 'echo "in $PWD."; while [ ! -e local/end ]; do sleep 0.05; done; echo done; exit 3';
    const { ended, seen, plugin } = start(running("-v", shellJob(script)));
    const [, folder] = /in (.*)\./.exec(await seen(".\n")) ?? [];
    await seen("task: started", "stderr");
    process.kill(plugin(), "SIGKILL");
    await seen(" recovered ", "stderr");
    writeFileSync(`${folder}/local/end`, "");
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(3);
    expect(stdout).toMatch(/done\n$/);
    expect(stderr).toContain("the plugin has ended (SIGKILL); restarting it; tasks keep running");
  });
});

describe("jobs of several tasks", () => {
  const task = (name: string, script: string, more = "") => `task "${name}" {
    driver = "exec2"
    ${more}
    config {
      command = "sh"
      args    = ["-c", ${JSON.stringify(script)}]
    }
  }`;
  const lifecycle = (hook: string, sidecar = false) => `lifecycle {
    hook    = "${hook}"
    sidecar = ${sidecar}
  }`;
  const job = (...tasks: string[]) => jobFileOf(`job "j" {\n group "g" {\n${tasks.join("\n")}\n}\n}`);

  it("are shown line by line with their names, in the order of their phases", async () => {
    const { code, stdout } = await call(
      running(
        job(
          task("main", "cat $NOMAD_ALLOC_DIR/data/word; printf unfinished"),
          task("first", "echo early; echo word > $NOMAD_ALLOC_DIR/data/word", lifecycle("prestart")),
          task("beside", "trap 'exit 9' INT; while :; do sleep 0.05; done", lifecycle("prestart", true)),
          task("last", "echo late", lifecycle("poststop")),
        ),
      ),
    );
    expect(code).toBe(0);
    expect(stdout).toBe("first  | early\nmain   | word\nmain   | unfinished\nlast   | late\n");
  });

  it("do not start if an earlier phase fails", async () => {
    const { code, stdout, stderr } = await call(
      running(job(task("main", "echo never"), task("first", "exit 6", lifecycle("prestart")))),
    );
    expect([code, stdout]).toEqual([6, ""]);
    expect(stderr).toMatch(/^warning: prestart task first failed: main was not started$/m);
  });

  it("end together if one fails, and its exit code is the job's", async () => {
    const stateDir = temporaryFolder();
    const file = job(task("a", "sleep 0.2; exit 8"), task("b", "sleep 1000"));
    const { code, stderr } = await call(["run", "--state-dir", stateDir, file]);
    expect(code).toBe(8);
    expect(stderr).toMatch(/^b: stopped, because a exited with 8$/m);
    expect(await stopReasons(stateDir)).toEqual(["a exited with 8"]);
    const { stdout } = await call(["why", "--state-dir", stateDir, "b"]);
    expect(stdout.replaceAll(/\s+/g, " ")).toMatch(
      /The agent requested a stop with SIGINT and a timeout of 5 s, because a exited with 8 \[\d+\]\./,
    );
  });

  it("end with their leader", async () => {
    const { code, stderr } = await call(
      running(job(task("a", "sleep 0.2", "leader = true"), task("b", "sleep 1000"))),
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/^b: stopped, because the leader a exited with 0$/m);
  });
});

describe("the examples", () => {
  it.each(["--var", "-var"])(
    "say hello, with a variable given by %s, both spellings that Nomad accepts",
    async (option) => {
      const { code, stdout } = await call(running(option, "message=good day", `${examples}/hello.nomad.hcl`));
      expect(code).toBe(0);
      expect(stdout).toMatch(/^good day\nI am user \d+, task hello of job hello\n$/);
    },
  );

  it("say hello with a file of variables, which --var overrides", async () => {
    const path = join(temporaryFolder(), "hello.vars.hcl");
    writeFileSync(path, 'message = "from a file"\n');
    const hello = async (...args: string[]) =>
      (await call(running("-var-file", path, ...args, `${examples}/hello.nomad.hcl`))).stdout;
    expect(await hello()).toMatch(/^from a file\n/);
    expect(await hello("-var", "message=by hand")).toMatch(/^by hand\n/);
  });

  it("serve a page", async () => {
    const { child, ended, seen } = start(running(`${examples}/http.nomad.hcl`));
    const address = /port http: (\S+)/.exec(await seen("http: started", "stderr"))?.[1];
    const page = await untilServed(`http://${address}/`);
    expect(page).toContain(`Served by task http on ${address}.`);
    child.kill("SIGTERM");
    expect((await ended).code).toBe(143);
  });

  it("finish their work when their stop command asks them to", async () => {
    const { child, ended, seen } = start(running(`${examples}/stop.nomad.hcl`));
    await seen("working", "stdout");
    child.kill("SIGINT");
    expect((await ended).stdout).toContain("working\nasked to stop\nfinished\n");
  });

  it("keep notes in a volume", async () => {
    const source = temporaryFolder(persistentFolders);
    chmodSync(source, 0o1777);
    const args = ["--host-volume", `notes=${source}`, `${examples}/volume.nomad.hcl`];
    for (const run of [1, 2]) {
      const { code, stdout } = await call(running(...args));
      expect([code, stdout.match(/^run \w+, user \d+$/gm)]).toMatchObject([0, { length: run }]);
      expect(readdirSync(source)).toHaveLength(run);
    }
  });

  it("have plans that show the volume, and the ports", async () => {
    const plan = (...args: string[]) => call(["doctor", "--state-dir", temporaryFolder(), "--plan", ...args]);
    const volume = await plan(`${examples}/volume.nomad.hcl`, "--host-volume", "notes=/srv");
    expect(volume.stdout).toMatch(/^rx +\/tmp\/notes +volume$/m);
    expect(volume.stdout).toMatch(/^init +mount the volume \/tmp\/notes: openat2\(/m);
    // The volume's source is not in the task's root, so the plan need not hide it.
    expect(volume.stdout).not.toMatch(/^init +hide/m);
    const network = await plan(`${examples}/network.nomad.hcl`);
    expect(network.stdout).toMatch(/^Ports\nconnect_tcp +8080\nbind_tcp +8080$/m);
    expect(network.stdout).toMatch(/^init +mount \/etc\/hosts: /m);
  });

  it("use the ports that they are allowed", async () => {
    const { code, stdout, stderr } = await call(running(`${examples}/network.nomad.hcl`));
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("expected")]);
    expect([code, stdout.match(/^(allowed|EACCES) /gm)]).toMatchObject([0, { length: 4 }]);
  });

  it("cannot leave the sandbox", async () => {
    const { code, stdout } = await call(running(`${examples}/sandbox-tour.nomad.hcl`));
    expect(stdout).toContain("denied   read /etc/passwd");
    expect(stdout).toContain("The sandbox held everywhere.");
    expect(stdout).not.toContain("!!");
    expect(code).toBe(0);
  });
});
