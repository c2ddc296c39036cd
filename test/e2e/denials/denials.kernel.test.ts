/** Tests that denials are in the history and in the text of `why`, with this host's real audit. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type AuditStatus, auditStatus } from "../../../src/effects/denials/auditSocket.ts";
import { findDenialProblem } from "../../../src/effects/denials/denialWatch.ts";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { History } from "../../../src/history/replay/history.ts";
import { readHistory } from "../../../src/history/replay/storedHistory.ts";
import { explain } from "../../../src/history/why/explain.ts";
import type { DenialHistory } from "../../../src/machines/events/denied.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { type Agent, runTask, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation, noCollector } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const problem = await findDenialProblem("on", landlockAbi());
if (problem !== undefined) console.warn(`NOT TESTED: denials, since ${problem}`);

const options = {
  ...{ root: "host", denials: "on", allow_host_pid: true, unveil_by_task: true },
  allow_seccomp: ["listen", "setsockopt", "strict", "getpriority"],
  seccomp_profiles: [{ strict: ["-getpriority"] }],
};

describe.skipIf(problem !== undefined)("on a host that records denials", () => {
  let before: AuditStatus;
  let agent: Agent;
  const agents: Agent[] = [];
  const configure = (each: Agent, denials: string) =>
    each.base.setConfig(setConfig({ ...options, denials, state_dir: each.stateDir }));
  const recording = async (stateDir?: string) => {
    const each = await startAgent({ options, ...(stateDir && { stateDir }) });
    agents.push(each);
    return each;
  };
  beforeAll(async () => {
    before = await auditStatus();
    agent = await recording();
  });
  afterAll(async () => {
    for (const each of agents) await configure(each, "off").catch(() => undefined);
  });

  /** A folder with files, folders and a program, all with modes that let everybody use them. */
  function openFolder(): string {
    const folder = temporaryFolder("/var/tmp");
    chmodSync(folder, 0o777);
    for (const name of ["file", "other"]) {
      writeFileSync(`${folder}/${name}`, "text");
      chmodSync(`${folder}/${name}`, 0o666);
    }
    for (const name of ["empty", "target"]) {
      mkdirSync(`${folder}/${name}`);
      chmodSync(`${folder}/${name}`, 0o777);
    }
    copyFileSync("/bin/true", `${folder}/program`);
    chmodSync(`${folder}/program`, 0o755);
    return folder;
  }

  const perl = (code: string) => ({ command: "perl", args: ["-MSocket", "-e", `${code}; exit 3`] });
  const failing = (script: string) => ({ command: "sh", args: ["-c", `${script}; exit 3`] });

  test.each([
    ["reads a file", "cat $F/file", /reading \S*\/file \(cat, .*\).*To allow it: unveil = \["r:\S*\/file"\]/],
    ["lists a folder", "ls $F", /listing \S+ \(ls, .*unveil = \["r:/],
    ["appends to a file", "echo more >> $F/file", /writing \S*\/file .*unveil = \["w:\S*\/file"\]/],
    ["makes a file", "touch $F/new", /creating a file in \S+ \(touch.*unveil = \["wc:/],
    ["makes a folder", "mkdir $F/new", /creating a folder in .*unveil = \["c:/],
    ["makes a symlink", "ln -s a $F/new", /creating a symlink in .*unveil = \["c:/],
    ["makes a FIFO", "mkfifo $F/new", /creating a FIFO in .*unveil = \["c:/],
    ["removes a file", "rm -f $F/file", /removing a file in .*unveil = \["c:/],
    ["removes a folder", "rmdir $F/empty", /removing a folder in .*unveil = \["c:/],
    ["renames a file", "mv $F/file $F/new", /(?:removing a file in|creating a file in) .*unveil = \["/],
    ["links a file elsewhere", "ln $F/file $F/target/new", /moving or linking from or to .*unveil = \["/],
    ["executes a program", "$F/program", /executing.* \S*\/program .*unveil = \["rx:\S*\/program"\]/],
    [
      "makes a namespace",
      "unshare -U true",
      /the system call unshare \(unshare, .*a user namespace gives every capability.* unshare in seccomp_allow/,
    ],
    ["mounts", "mount -t tmpfs none /mnt", /the system call \w+ \(mount, .*Tasks cannot mount/],
  ])("the cause is reported if a program fails because it %s", async (_, script, expected) => {
    expect(await whyOf(failing(script.replaceAll("$F", openFolder())))).toMatch(expected);
  });

  test.each([
    ["truncates a file", 'truncate("$F/file", 0)', /truncating \S*\/file .*unveil = \["w:/],
    [
      "makes a socket",
      'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un("$F/sock"))',
      /creating a socket in .*unveil = \["c:/,
    ],
    [
      "controls a device",
      'open F, "<", "/dev/urandom"; ioctl(F, 0x80045200, $b)',
      /controlling the device \/dev\/urandom .*"w:\/dev\/urandom" in unveil would allow it, and writing/,
    ],
    [
      "connects to a port",
      "socket(S, PF_INET, SOCK_STREAM, 0); connect(S, pack_sockaddr_in(81, INADDR_LOOPBACK))",
      /connecting to TCP port 81 \(perl, .*connect_tcp = \[80, 81\]; on the client, .* 81 in connect_tcp/,
    ],
    [
      "binds a port",
      "socket(S, PF_INET, SOCK_STREAM, 0); bind(S, pack_sockaddr_in(4242, INADDR_LOOPBACK))",
      /binding TCP port 4242 .*bind_tcp = \[4242, 8080\]/,
    ],
  ])("the cause is reported if a program fails because it %s", async (_, code, expected) => {
    const command = { ...perl(code.replaceAll("$F", openFolder())), connect_tcp: [80], bind_tcp: [8080] };
    expect(await whyOf(command)).toMatch(expected);
  });

  const openSocket = "socket(S, PF_INET, SOCK_STREAM, 0) or die";

  test.each([
    {
      what: "listens although it may bind no port",
      code: `${openSocket}; exit 0 if listen(S, 1)`,
      refused: { bind_tcp: [], seccomp_allow: ["listen"] },
      advice:
        /system call listen \(perl.*Only tasks with a port in bind_tcp, or without bind_tcp, can listen/,
      lifted: { bind_tcp: [0] },
    },
    {
      what: "selects an upper-layer protocol beside limits on ports",
      // Without a name, which the kernel itself refuses.
      code: `${openSocket}; setsockopt(S, 6, 31, ""); exit 0 if $!{EINVAL}`,
      refused: { connect_tcp: [443], seccomp_allow: ["setsockopt"] },
      advice: /system call setsockopt \(perl.*Only tasks without connect_tcp can use upper-layer protocols/,
      lifted: {},
    },
    {
      what: "connects to a port that is not in the list",
      code: `${openSocket}; connect(S, pack_sockaddr_in(81, INADDR_LOOPBACK)); exit 0 if $!{ECONNREFUSED}`,
      refused: { connect_tcp: [443] },
      advice: /connecting to TCP port 81 .*To allow it: connect_tcp = \[81, 443\]/,
      lifted: { connect_tcp: [81, 443] },
    },
    {
      what: "makes a call that the profile refuses",
      code: "exit 0 if defined getpriority(0, 0) && !$!{EPERM}",
      refused: { seccomp: "strict" },
      advice: /system call getpriority .*To allow it: seccomp_allow = \["getpriority"\]/,
      lifted: { seccomp: "strict", seccomp_allow: ["getpriority"] },
    },
    {
      what: "reads a file",
      code: 'exit 0 if open F, "<", "/etc/passwd"',
      refused: {},
      advice: /reading \/etc\/passwd .*To allow it: unveil = \["r:\/etc\/passwd"\]/,
      lifted: { unveil: ["r:/etc/passwd"] },
    },
  ])("the advised change helps a program that $what", async ({ code, refused, advice, lifted }) => {
    const why = await whyOf({ ...perl(code), ...refused });
    expect(why).toMatch(advice);
    if ("seccomp_allow" in refused) expect(why).not.toContain("seccomp_allow");
    const { exitCode } = await runTask(agent, makeAllocation().config({ ...perl(code), ...lifted }));
    expect(exitCode).toBe(0);
  });

  test("the cause is reported if a program fails because it signals a process of the host", async () => {
    const allocation = makeAllocation();
    const { uid, gid } = allocation.user;
    const other = spawn("sleep", ["1000"], { uid, gid });
    onTestFinished(() => void other.kill("SIGKILL"));
    const task = allocation.config({ ...failing(`kill ${other.pid}`), pid_mode: "host" });
    await runTask(agent, task);
    expect(await explained(agent, task.id)).toMatch(
      new RegExp(`sending a signal to sleep, pid ${other.pid} \\(.*Tasks reach only their own`),
    );
    expect(other.exitCode).toBeNull();
  });

  test("the cause is reported if a program fails because it connects to an abstract socket", async () => {
    const name = `exec2-test-${process.pid}`;
    const server = createServer().listen(`\0${name}`);
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const code = `socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un("\\0${name}"))`;
    expect(await whyOf(perl(code))).toMatch(new RegExp(`connecting to the abstract socket @${name} \\(`));
  });

  test("a task that is denied nothing has no denials, not even those of another task", async () => {
    const [quiet, loud] = [makeAllocation(), makeAllocation()];
    const tasks = [
      quiet.config("sleep 0.3; exit 3"),
      loud.config(failing("cat /etc/passwd /etc/group")),
    ] as const;
    await Promise.all(tasks.map((task) => runTask(agent, task)));
    expect(await denialsOf(agent, tasks[0].id)).toMatchObject({ refusals: [], others: 0, lost: 0 });
    expect(objectsOf(await denialsOf(agent, tasks[1].id))).toMatchObject({
      "/etc/passwd": 1,
      "/etc/group": 1,
    });
  });

  test.each([
    [
      "starts threads",
      "python3 -c 'import threading, os; threading.Thread(target=print).start(); os.cpu_count()'",
    ],
    ["lists its own folder", "ls | grep -q local || exit 4"],
    ["looks around its own folder", "ls .. / ../..; true"],
    ["buffers what it reads from a device", `perl -e 'open F, "<", "/dev/urandom"; read F, $b, 1; -t F'`],
    ["asks for limits of its cgroup, and for memory", "cat /proc/self/cgroup /proc/meminfo /proc/stat; true"],
    ["makes a call of a newer kernel, and one of x32", "perl -e 'syscall(4711); syscall(0x4000006e)'"],
    ["makes a call for which there is another", "perl -e 'syscall(435, 0, 0); syscall(437, -1, 0, 0, 0)'"],
  ])("a program that %s is denied nothing that anybody has to know", async (_, script) => {
    const allocation = makeAllocation();
    const task = allocation.config({ ...failing(script), work_dir: "." });
    expect(await runTask(agent, task)).toMatchObject({ exitCode: 3 });
    const { refusals, others } = await denialsOf(agent, task.id);
    expect(refusals.filter(({ object }) => object !== "/etc/ssl/openssl.cnf")).toEqual([]);
    expect(others).toBe(0);
    expect(await allocation.stderr.text()).not.toContain("nomad-driver-exec2: ");
  });

  test("each task's history counts all of its denials, even if many tasks run at once", async () => {
    const files = ["/etc/passwd", "/etc/group", "/etc/shadow-", "/etc/hostname", "/etc/fstab"];
    const counts = [1, 7, 60, 250, 1_001];
    const tasks = counts.map((count, index) => {
      const code = `for (1 .. ${count}) { open F, "<", "${files[index % 2]}" }`;
      return makeAllocation().config(perl(code));
    });
    await Promise.all(tasks.map((task) => runTask(agent, task)));
    for (const [index, task] of tasks.entries()) {
      const denials = await denialsOf(agent, task.id);
      expect(objectsOf(denials), task.id).toEqual({ [files[index % 2] as string]: counts[index] });
      expect(denials).toMatchObject({ others: 0 });
    }
  });

  test("every refused system call of a short-lived child is recorded as the task's", async () => {
    const task = makeAllocation().config(failing("for i in $(seq 40); do unshare -U true; done 2>&-"));
    await runTask(agent, task);
    const { refusals } = await denialsOf(agent, task.id);
    expect(refusals.find(({ blockers }) => blockers[0] === "seccomp.unshare")?.count).toBe(40);
  });

  test("a flood is counted completely, in few events", async () => {
    const task = makeAllocation().config(perl('for (1 .. 60_000) { open F, "<", "/etc/passwd" }'));
    await startTask(agent, task);
    await waitTask(agent, task);
    await expect.poll(async () => total(await denialsOf(agent, task.id))).toBe(60_000);
    const reader = await openEventReader(stateFolderPaths(agent.stateDir).events);
    const events = [...reader.readStream(task.id)].filter(({ type }) => type === "denied");
    await reader.close();
    expect(events.length).toBeLessThan(20);
    await agent.driver.destroyTask({ taskId: task.id, force: true });
  });

  test("denials of a command in a task are recorded as the task's", async () => {
    const task = makeAllocation().config("sleep 60");
    await startTask(agent, task);
    await execScript(agent, task.id, "cat /etc/passwd");
    await expect
      .poll(async () => objectsOf(await denialsOf(agent, task.id)))
      .toMatchObject({ "/etc/passwd": 1 });
    await agent.driver.destroyTask({ taskId: task.id, force: true });
  });

  test("denials of a task that another plugin has recovered are still recorded", async () => {
    const first = await recording();
    const [known, unknown] = [makeAllocation(), makeAllocation()];
    const wait = "read -r _ < $NOMAD_TASK_DIR/gate";
    const gates = [known.gate(), unknown.gate()];
    const tasks = [
      known.config(`cat /etc/passwd; ${wait}; cat /etc/group`),
      unknown.config(`${wait}; cat /etc/group; sleep 0.2; cat /etc/group; exit 3`),
    ] as const;
    const handles = [await startTask(first, tasks[0]), await startTask(first, tasks[1])];
    await expect
      .poll(async () => objectsOf(await denialsOf(first, tasks[0].id)))
      .toMatchObject({ "/etc/passwd": 1 });
    await first.crash();
    const second = await recording(first.stateDir);
    for (const handle of handles)
      await second.driver.recoverTask({ taskId: handle.config?.id ?? "", handle });
    for (const open of gates) open();
    for (const task of tasks) await waitTask(second, task);
    expect(objectsOf(await denialsOf(second, tasks[0].id))).toMatchObject({
      "/etc/passwd": 1,
      "/etc/group": 1,
    });
    expect(objectsOf(await denialsOf(second, tasks[1].id))).toMatchObject({ "/etc/group": 2 });
  });

  test("a task that dies after a denial has a line about the denial in its own log, and in its task events", async () => {
    const allocation = makeAllocation();
    const task = allocation.config(failing("cat /etc/passwd"));
    const events: string[] = [];
    const stream = agent.driver.taskEvents({});
    void (async () => {
      for await (const { taskId, message } of stream) if (taskId === task.id) events.push(message);
    })().catch(() => undefined);
    await startTask(agent, task);
    await waitTask(agent, task);
    const line =
      /^nomad-driver-exec2: \d+ ms before its end the task was denied reading \/etc\/passwd \(\S+\/cat\)\. To allow it: unveil = \["r:\/etc\/passwd"\]/m;
    expect(await allocation.stderr.text()).toMatch(line);
    const message = expect.stringMatching(
      /^Denied reading \/etc\/passwd .*unveil_allowed or unveil_by_task$/,
    );
    await expect.poll(() => events).toContainEqual(message);
    await agent.driver.destroyTask({ taskId: task.id, force: true });
  });

  test("a denial that a task repeats until it gives up is the cause of its failure", async () => {
    const gives = "for i in $(seq 12); do cat /etc/passwd; sleep 0.25; done; exit 1";
    const command = { command: "sh", args: ["-c", gives], log_collection: "driver" };
    const task = makeAllocation().config(command, noCollector);
    expect(await runTask(agent, task)).toMatchObject({ exitCode: 1 });
    const history = await historyOf(agent, task.id);
    expect(history.finalState.context.exit?.cause).toMatchObject({
      kind: "denied",
      text: expect.stringContaining("it was denied reading /etc/passwd"),
    });
  });

  test("audit stays on for other plugins of the host, and is restored after the last one", async () => {
    const other = await recording();
    await configure(other, "off");
    expect(await auditStatus()).toMatchObject({ enabled: 1 });
    const task = makeAllocation().config(failing("cat /etc/passwd"));
    await runTask(other, task);
    expect(await explained(other, task.id)).toContain('was not recorded: the client has denials = "off"');
    for (const each of agents) await configure(each, "off").catch(() => undefined);
    const { enabled, backlogLimit } = await auditStatus();
    if (before.enabled !== 0) console.warn("NOT TESTED: audit is restored, since it was on before");
    else if (enabled === 1) console.warn("NOT TESTED: another plugin keeps audit on");
    else expect(backlogLimit).toBe(before.backlogLimit);
  });

  async function whyOf(command: Readonly<Record<string, unknown>>): Promise<string> {
    const task = makeAllocation().config(command);
    const { exitCode } = await runTask(agent, task);
    expect(exitCode).toBe(3);
    return explained(agent, task.id);
  }
});

async function historyOf({ stateDir }: Agent, id: string): Promise<History> {
  const reader = await openEventReader(stateFolderPaths(stateDir).events);
  try {
    return new History(id, readHistory(reader, id));
  } finally {
    await reader.close();
  }
}

async function explained(agent: Agent, id: string): Promise<string> {
  return explain(await historyOf(agent, id))
    .sentences.map(({ text }) => `${text}.`)
    .join(" ");
}

async function denialsOf(agent: Agent, id: string): Promise<DenialHistory> {
  const history = await historyOf(agent, id);
  return history.finalState.context.denials;
}

/** Counts of denials by object, and of all its programs, without the accesses that every program tries. */
function objectsOf({ refusals }: DenialHistory): Record<string, number> {
  const ofTask = refusals.filter(({ object }) => !/locale|\/proc\//.test(object ?? ""));
  const counts: Record<string, number> = {};
  for (const { object, count } of ofTask) counts[object ?? ""] = (counts[object ?? ""] ?? 0) + count;
  return counts;
}

function total({ refusals, others, lost }: DenialHistory): number {
  return objectsTotal(refusals) + others + lost;
}

function objectsTotal(refusals: DenialHistory["refusals"]): number {
  return refusals.reduce((sum, { count }) => sum + count, 0);
}
