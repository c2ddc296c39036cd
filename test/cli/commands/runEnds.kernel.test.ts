/** However `run` ends, its tasks end too, and nothing is left. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { allScopes } from "../../../src/localAgent/allocation/cgroupScope.ts";
import { eventually } from "../../support/host/eventually.ts";
import { processesNamed } from "../../support/host/processes.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";
import { call, type Started, shellJob, start } from "../../support/screen/commandLine.ts";
import { openTerminalSession } from "../../support/screen/terminalSession.ts";

/** A task that prints its folder and runs until it is stopped. */
const endless = () => shellJob('echo "in $NOMAD_TASK_DIR."; exec sleep 1000', 'kill_timeout = "20s"');

/** The folder of a run and its allocation, of which nothing may be left after the run. */
interface Place {
  readonly work: string;
  readonly alloc: string;
}

function placeIn(output: string): Place {
  const [, work = "", alloc = ""] = /in (\S+)\/alloc\/([^/]+)\/task\/local\./.exec(output) ?? [];
  expect(work, output).not.toBe("");
  return { work, alloc };
}

function isGone({ work, alloc }: Place): boolean {
  return !existsSync(work) && !allScopes().some(({ allocId }) => allocId === alloc);
}

async function untilGone(place: Place): Promise<void> {
  await eventually(() => expect(isGone(place)).toBe(true));
}

async function startEndless(
  stateDir: string,
  program: readonly string[] = [process.execPath, programEntry],
): Promise<Place & { readonly run: Started; readonly job: string }> {
  const job = endless();
  const run = start(["run", "--state-dir", stateDir, job], { program });
  const place = placeIn(await run.seen("/local."));
  await run.seen("task: started", "stderr");
  return { ...place, run, job };
}

async function lastEvents(stateDir: string): Promise<string> {
  return (await call(["events", "--state-dir", stateDir, "task"])).stdout;
}

describe.each(["SIGKILL", "SIGQUIT"] as const)("%s of the run", (signal) => {
  it("ends the task, as the history shows, and leaves nothing", async () => {
    const stateDir = temporaryFolder();
    const { run, ...place } = await startEndless(stateDir);
    run.child.kill(signal);
    await run.ended;
    await untilGone(place);
    expect(await lastEvents(stateDir)).toMatch(/destroyRequested.*killed by SIGKILL.*destroyed/s);
  });
});

/** A run that was killed together with its plugin. */
async function killedRun(stateDir: string): Promise<Place & { readonly job: string }> {
  const { run, ...place } = await startEndless(stateDir);
  await killWithPlugin(run);
  return place;
}

async function killWithPlugin(run: Started): Promise<void> {
  const plugin = run.plugin();
  run.child.kill("SIGKILL");
  process.kill(plugin, "SIGKILL");
  await run.ended;
}

describe("SIGKILL of run and plugin", () => {
  it("leaves files that the next run, doctor and clean report, and clean removes", async () => {
    const stateDir = temporaryFolder();
    const place = await killedRun(stateDir);
    const told = new RegExp(`was killed and left task task; folder ${place.work}`);
    const next = await call(["run", "--state-dir", stateDir, shellJob("exit 3")]);
    expect(next.code).toBe(3);
    expect(next.stderr).toMatch(told);
    expect((await call(["doctor", "--state-dir", stateDir])).stdout).toMatch(told);
    const verbs = [["stop"], ["restart"], ["signal", "HUP"]] as const;
    const refused = verbs.map(([verb, ...more]) =>
      call([verb, "--state-dir", stateDir, place.alloc, ...more]),
    );
    for (const { stderr } of await Promise.all(refused))
      expect(stderr).toMatch(/^PLUGIN_FAILED: .*\nhint: .*was killed.* nomad-driver-exec2 clean/s);
    const dry = await call(["clean", "--dry-run", "--json", place.work]);
    expect(JSON.parse(dry.stdout)).toMatchObject({
      folder: place.work,
      job: place.job,
      tasks: [{ task: "task" }],
    });
    expect(isGone(place)).toBe(false);
    expect(await call(["clean", stateDir, place.work])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`RUN_FOLDER_UNUSABLE: ${stateDir} is not the folder of a killed run`),
    });
    const cleaned = await call(["clean", place.work]);
    expect(cleaned).toMatchObject({ code: 0, stderr: "" });
    expect(cleaned.stdout).toContain(`removed task task; folder ${place.work}`);
    expect(isGone(place)).toBe(true);
    expect((await call(["clean", place.work])).stdout).toBe("Nothing to clean.\n");
    const history = await call(["events", "--state-dir", stateDir, place.alloc]);
    expect(history.stdout).toMatch(/recovered.*destroyRequested.*destroyed/s);
  });

  it("leaves files that clean removes even while another run uses the state folder", async () => {
    const stateDir = temporaryFolder();
    const place = await killedRun(stateDir);
    const other = await startEndless(stateDir);
    expect(await call(["clean", place.work])).toMatchObject({ code: 0, stderr: "" });
    expect([isGone(place), isGone(other)]).toEqual([true, false]);
  });
});

/** Runs a program in a mount namespace of its own, after a shell script has changed its mounts. */
function inMountNamespace(script: string): readonly string[] {
  return ["unshare", "--mount", "sh", "-c", `${script} && exec "$@"`, "sh", process.execPath, programEntry];
}

const otherTmp = "mount -t tmpfs none /var/tmp";

describe("a run in another mount namespace, such as a unit with PrivateTmp", () => {
  it("is no ended run for stop and restart, until it is killed together with its plugin", async () => {
    const stateDir = temporaryFolder();
    const { run, ...place } = await startEndless(stateDir, inMountNamespace(otherTmp));
    const ask = (verb: string) => call([verb, "--state-dir", stateDir, place.alloc]);
    for (const verb of ["stop", "restart"])
      expect(await ask(verb)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^PLUGIN_FAILED: the run of this task is in another mount namespace\nhint: (?!.* clean)/,
        ),
      });
    expect(isGone(place)).toBe(false);
    await killWithPlugin(run);
    expect((await ask("stop")).stderr).toMatch(/^PLUGIN_FAILED: the run of this task has ended/);
    expect((await call(["clean", place.work])).code).toBe(0);
  });

  it("is a living run for clean, until it is killed together with its plugin", async () => {
    const { run, ...place } = await startEndless(temporaryFolder(), inMountNamespace(otherTmp));
    expect(existsSync(place.work)).toBe(false);
    const dry = await call(["clean", "--dry-run", "--json"]);
    expect(dry.stdout + dry.stderr).not.toContain(place.alloc);
    expect(dry.stdout + dry.stderr).not.toContain(place.job);
    expect((await call(["clean", place.work])).stdout).toBe("Nothing to clean.\n");
    expect(isGone(place)).toBe(false);
    await killWithPlugin(run);
    const cleaned = await call(["clean", place.work]);
    expect(cleaned).toMatchObject({ code: 0, stderr: "" });
    expect(cleaned.stdout).toMatch(/^run \S+ \(process \d+, .*\): removed task task$/m);
    expect(cleaned.stdout).toContain(place.job);
    expect(isGone(place)).toBe(true);
  });
});

/** Where clean sees the cgroups of a run, but not the run's folder, or not its lock. */
const elsewhere = {
  "in a mount namespace with another /var/tmp": otherTmp,
  "in a chroot":
    'mount --rbind / "$root" && mount -t tmpfs none "$root/var/tmp" && set -- chroot "$root" "$@"',
  "above an overlay of /var/tmp":
    'mount -t tmpfs none "$root" && mkdir "$root/upper" "$root/work" && ' +
    'mount -t overlay -o "lowerdir=/var/tmp,upperdir=$root/upper,workdir=$root/work" none /var/tmp',
};

describe("clean", () => {
  it("leaves a living run alone wherever it is called", async () => {
    const { run, ...place } = await startEndless(temporaryFolder());
    for (const [where, script] of Object.entries(elsewhere)) {
      const [program = "", ...args] = inMountNamespace(`root=${temporaryFolder()} && ${script}`);
      const dry = await call([...args, "clean", "--dry-run", "--json"], { program: [program] });
      expect(dry, where).toMatchObject({ code: 0, stderr: "" });
      expect(dry.stdout, where).not.toContain(place.alloc);
      expect(dry.stdout, where).not.toContain(place.job);
      const cleaned = await call([...args, "clean", place.work], { program: [program] });
      expect(cleaned.stdout, where).not.toContain("removed");
      expect(isGone(place), where).toBe(false);
    }
    run.child.kill("SIGTERM");
    await run.ended;
  });
});

describe("a terminal that is closed", () => {
  it("stops the task with its signal, and leaves nothing", async () => {
    const stateDir = temporaryFolder();
    const terminal = openTerminalSession({ columns: 300, rows: 30 });
    terminal.type(`exec ${process.execPath} ${programEntry} run --state-dir ${stateDir} ${endless()}\n`);
    // The run and its task print at the same time.
    const bothSeen = /^(?=.*task: started)(?=.*\/local\.)/s;
    const place = placeIn((await terminal.shows(bothSeen)).join("\n"));
    await terminal.hangUp();
    await untilGone(place);
    expect(await lastEvents(stateDir)).toMatch(/killed by SIGINT/);
  });
});

describe("a terminal that is closed while a verb shows a running task there", () => {
  it("ends the verb, but not the task", async () => {
    const stateDir = temporaryFolder();
    await startEndless(stateDir);
    const verbs = [
      ["logs -f", "task", /^in /m],
      ["events -f", "task", /started/],
      ["replay", "task", /event 1/],
      ["top", "", /running/],
    ] as const;
    const closed = verbs.map(async ([verb, task, shown]) => {
      const terminal = openTerminalSession({ columns: 100, rows: 30 });
      terminal.type(`exec ${process.execPath} ${programEntry} ${verb} --state-dir ${stateDir} ${task}\n`);
      await terminal.shows(shown);
      await terminal.hangUp();
    });
    await Promise.all(closed);
    // In /proc, NULs separate arguments.
    const left = () =>
      verbs.flatMap(([verb]) => processesNamed(`${verb} --state-dir ${stateDir}`.replaceAll(" ", "\0")));
    await eventually(() => expect(left()).toEqual([]));
    expect((await call(["ps", "--state-dir", stateDir])).stdout).toMatch(/^task .*running/m);
  });
});

describe("output that cannot be written", () => {
  const full = (args: readonly string[], stream: "stdout" | "stderr" = "stdout") => {
    const device = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [programEntry, ...args], {
      env: { PATH: process.env.PATH },
      stdio: ["ignore", stream === "stdout" ? device : "pipe", stream === "stderr" ? device : "pipe"],
    });
    closeSync(device);
    const stderr = child.stderr?.setEncoding("utf8").toArray();
    child.stdout?.resume();
    return once(child, "close").then(async ([code]) => ({ code, stderr: (await stderr)?.join("") }));
  };

  it("stops the tasks if only errors cannot be written, and the exit code says so", async () => {
    const { code } = await full(["run", "--state-dir", temporaryFolder(), endless()], "stderr");
    expect(code).toBe(125);
  });

  it("stops the tasks, and is reported without a stack trace", async () => {
    const { code, stderr } = await full(["run", "--state-dir", temporaryFolder(), endless()]);
    expect(code).toBe(125);
    expect(stderr).toMatch(
      /^standard output cannot be written \(no space left on device\): stopping the tasks/m,
    );
    expect(stderr).toMatch(/^OUTPUT_FAILED: standard output cannot be written: no space left on device$/m);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it("is an error of every verb", async () => {
    const stateDir = temporaryFolder();
    await call(["run", "--state-dir", stateDir, shellJob("true")]);
    for (const args of [["ps", "-a"], ["events"], ["export", "--all"], ["why"]]) {
      const { code, stderr } = await full([...args, "--state-dir", stateDir]);
      expect([args, code, stderr]).toEqual([
        args,
        1,
        "OUTPUT_FAILED: standard output cannot be written: no space left on device\n",
      ]);
    }
  });
});
