/**
 * Tasks whose output the host's journal takes. The machine's init is no systemd: systemd-journald runs with sockets that
 * it makes itself. The last case has systemd as well, which holds the sockets and what journald has opened.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import type { EventData } from "../../../src/machines/events.ts";
import { startTask, waitTask } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { loggersOf } from "../../support/agent/loggers.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { Journal } from "../../support/host/journal.ts";
import { until } from "../../support/host/until.ts";
import { cgroupMount, shareSlice } from "../support/prepareGuest.ts";
import { afterAll, describe, onTestFinished, test } from "../support/runner.ts";
import { resourcesOf } from "../support/runningTask.ts";
import { startVmAgent, type VmAgent } from "../support/vmAgent.ts";

/** Lines of one unit that the journal takes at most, while its disk is full; more if the disk has room. */
const burst = 500;

const journal = new Journal(["RateLimitIntervalSec=10min", `RateLimitBurst=${burst}`], null);
const options = { allow_journald: true, allow_cgroup_delegate: true };

let started: Promise<VmAgent> | undefined;

/** The agent of these cases, and its journal. */
async function journalAgent(): Promise<VmAgent> {
  started ??= journal.start().then(() => startVmAgent(options));
  return await started;
}
afterAll(() => journal.remove());

async function startLogged(script: string, more: object = {}) {
  const agent = await journalAgent();
  const allocation = makeAllocation({ slice: shareSlice });
  const command = { command: "sh", args: ["-c", script], log_collection: "journald", ...more };
  const config = allocation.config(command, { resources: resourcesOf(allocation, {}) });
  const handle = await startTask(agent, config);
  return { agent, allocation, config, handle };
}

/** A part of a script that waits for {@link pass}. @param meanwhile what it does again and again until then */
const gate = (name: string, meanwhile = ":") =>
  `until [ -e "$NOMAD_TASK_DIR/${name}" ]; do ${meanwhile}; sleep 0.1; done`;

function pass({ taskFolder }: Allocation, name: string): void {
  writeFileSync(`${taskFolder}/local/${name}`, "");
}

const unitOf = ({ cgroup }: Allocation) => cgroup.path.slice(cgroup.path.lastIndexOf("/") + 1);
const entriesOf = (allocation: Allocation) => journal.entries(`_SYSTEMD_UNIT=${unitOf(allocation)}`);
const linesOf = (allocation: Allocation) => entriesOf(allocation).map(({ MESSAGE = "" }) => MESSAGE);

async function shows(allocation: Allocation, ...lines: readonly string[]): Promise<void> {
  let found: readonly string[] = [];
  await until(
    () => {
      found = linesOf(allocation);
      return found.join("\n") === lines.join("\n");
    },
    () => `the journal has ${JSON.stringify(lines)}, and not ${JSON.stringify(found)}`,
  );
}

/** Whether the output waits, as the events of the task say one after the other. */
async function waits({ stateDir }: VmAgent, taskId: string): Promise<boolean[]> {
  const events = await eventsOf(stateDir, taskId);
  return events
    .filter(({ type }) => type === "outputWaits")
    .map(({ data }) => (data as EventData<"outputWaits">).waits);
}

/** Milliseconds for a case: some start a plugin, or a systemd. */
const limitMs = 300_000;

describe("systemd-journald with a task's output", () => {
  test(
    "is under the names of its job, allocation and task, also what it writes to /dev/stdout",
    async () => {
      const { agent, allocation, config } = await startLogged(
        `echo one; ${gate("go")}; echo two > /dev/stdout; echo '<3>three' >> /dev/stderr; printf four`,
      );
      // journald reads the cgroup from the process that passes the output on, as long as there is one.
      await shows(allocation, "one");
      const [entry] = entriesOf(allocation);
      assert.equal(entry?._SYSTEMD_CGROUP, `/nomad.slice/share.slice/${unitOf(allocation)}`);
      pass(allocation, "go");
      const { exitCode } = await waitTask(agent, config);
      assert.equal(exitCode, 0);
      await shows(allocation, "one", "two", "<3>three", "four");
      const entries = entriesOf(allocation);
      assert.deepEqual(
        new Set(entries.map(({ SYSLOG_IDENTIFIER }) => SYSLOG_IDENTIFIER)),
        new Set(["job.main"]),
      );
      assert.deepEqual(
        entries.map(({ PRIORITY }) => PRIORITY),
        ["6", "6", "6", "6"],
      );
      assert.equal(entry?._SYSTEMD_UNIT, `exec2-test-${allocation.id}.main.scope`);
      assert.equal(entry?._TRANSPORT, "stdout");
      assert.deepEqual(
        journal.messages("-t", "job.main", `_SYSTEMD_UNIT=${unitOf(allocation)}`),
        linesOf(allocation),
      );
      allocation.cgroup.removeAsAgent();
    },
    limitMs,
  );

  test(
    "goes on when journald is killed and started again, and when the plugin is",
    async () => {
      const { agent, allocation, config, handle } = await startLogged(
        `echo one; ${gate("a")}; echo two; ${gate("b")}; echo three; exit 5`,
      );
      await shows(allocation, "one");
      await journal.kill();
      await until(
        () => agent.messages.some(({ message }) => message.startsWith("Output waits")),
        "it is told",
      );
      pass(allocation, "a");
      await journal.start();
      await shows(allocation, "one", "two");
      await until(async () => (await waits(agent, config.id)).at(-1) === false, "its end is told");
      await agent.crash();
      pass(allocation, "b");
      // The relay needs no plugin.
      await shows(allocation, "one", "two", "three");
      const next = await startVmAgent(options, agent.stateDir);
      started = Promise.resolve(next);
      await next.driver.recoverTask({ taskId: "", handle });
      assert.equal((await waitTask(next, config)).exitCode, 5);
      assert.deepEqual(loggersOf(allocation.cgroup.processes()), []);
      await next.driver.destroyTask({ taskId: config.id, force: true });
      allocation.cgroup.removeAsAgent();
    },
    limitMs,
  );

  test(
    "has a limit of its rate that is the task's own",
    async () => {
      const many = 200_000;
      const flood = await startLogged(`seq 1 ${many}`);
      await waitTask(flood.agent, flood.config);
      const other = await startLogged("echo heard");
      await waitTask(other.agent, other.config);
      await shows(other.allocation, "heard");
      const kept = linesOf(flood.allocation).length;
      assert.ok(kept >= burst && kept < many, `${kept} lines`);
    },
    limitMs,
  );

  test(
    "of a task with cgroups of its own is under the task's name, too",
    async () => {
      const { agent, allocation, config } = await startLogged(
        "cd /sys/fs/cgroup; mkdir part; echo $$ > part/cgroup.procs; echo below",
        { cgroup_delegate: true },
      );
      assert.equal((await waitTask(agent, config)).exitCode, 0);
      await shows(allocation, "below");
      assert.deepEqual(allocation.cgroup.below(), []);
    },
    limitMs,
  );

  test(
    "loses nothing when systemd restarts journald: it keeps the connections",
    async () => {
      const counting = `i=0; ${gate("c", "i=$((i + 1)); echo $i")}; echo last $i`;
      const { agent, allocation, config } = await startLogged(
        `echo one; ${gate("a")}; echo two; ${gate("b")}; ${counting}`,
      );
      await shows(allocation, "one");
      const relays = () => loggersOf(allocation.cgroup.processes());
      const [first] = relays();
      await journal.kill();
      const control = await startManager();
      await until(() => relays().some((each) => each !== first), "another relay is connected");
      const replacements = async () =>
        (await eventsOf(agent.stateDir, config.id)).filter(({ type }) => type === "loggerReplaced");
      await until(async () => (await replacements()).length > 0, "it is recorded");
      // journald hands a connection to systemd before it takes a line of it. One that it has only accepted ends with it.
      pass(allocation, "a");
      await shows(allocation, "one", "two");
      const before = await replacements();
      const [second] = relays();
      pass(allocation, "b");
      for (const _ of [1, 2]) await control("restart", "journald.service");
      const third = relays();
      pass(allocation, "c");
      assert.equal((await waitTask(agent, config)).exitCode, 0);
      const isLast = (line: string | undefined) => line?.startsWith("last ") === true;
      await until(() => isLast(linesOf(allocation).at(-1)), "the last line is there");
      const [, , ...lines] = linesOf(allocation);
      const count = lines.length - 1;
      assert.ok(count > 0);
      assert.deepEqual(lines, [
        ...Array.from({ length: count }, (_, index) => String(index + 1)),
        `last ${count}`,
      ]);
      assert.deepEqual(await replacements(), before);
      assert.deepEqual(third, [second]);
    },
    limitMs,
  );
});

/**
 * A systemd that runs journald and holds its sockets, as the manager of root's own units, since it is not the machine's
 * init.
 * @returns a function that calls systemctl(1)
 */
async function startManager(): Promise<(...args: readonly string[]) => Promise<unknown>> {
  const folder = "/run/exec2-manager";
  const units = `${folder}/systemd/user`;
  mkdirSync(units, { recursive: true });
  const unit = (name: string, ...lines: readonly string[]) =>
    writeFileSync(`${units}/${name}`, ["[Unit]", "DefaultDependencies=no", ...lines, ""].join("\n"));
  // The lines of Debian's own units that are about sockets and connections.
  unit(
    "journald.socket",
    ...["[Socket]", "ListenDatagram=/run/systemd/journal/socket", "ListenStream=/run/systemd/journal/stdout"],
    ...["PassCredentials=yes", "PassSecurity=yes", "Timestamping=us", "Service=journald.service"],
  );
  unit(
    "journald.service",
    ...["Requires=journald.socket", "After=journald.socket", "[Service]", "Type=notify"],
    ...[
      "ExecStart=/usr/lib/systemd/systemd-journald",
      "Sockets=journald.socket",
      "FileDescriptorStoreMax=4224",
    ],
  );
  const cgroup = `${cgroupMount}/exec2-manager.service`;
  mkdirSync(cgroup);
  // By this folder systemd knows that a host has booted with it.
  mkdirSync("/run/systemd/system", { recursive: true });
  const env = { ...process.env, XDG_RUNTIME_DIR: folder };
  const begin = `echo $$ > ${cgroup}/cgroup.procs; exec /lib/systemd/systemd --user --unit=journald.service`;
  const manager = spawn("sh", ["-c", begin], { env, stdio: ["ignore", "inherit", "inherit"] });
  const ended = once(manager, "exit");
  const control = (...args: readonly string[]) => run("systemctl", ["--user", ...args], { env });
  onTestFinished(async () => {
    await control("exit");
    await ended;
    rmdirSync("/run/systemd/system");
  });
  await until(() => existsSync(`${folder}/systemd/private`), "systemd takes commands");
  return control;
}

const run = promisify(execFile);
