/** Attacks of a task on the journal to which its output goes. */
import { execFileSync, spawn } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { type Agent, runTask, startAgent, startedTask, waitTask } from "../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../support/agent/allocation.ts";
import { readLog } from "../support/agent/logReader.ts";
import { eventually } from "../support/host/eventually.ts";
import { hasJournald, Journal, requireJournald, startJournal } from "../support/host/journal.ts";
import { requireTools } from "../support/host/requireTools.ts";

const journal = new Journal(["RateLimitIntervalSec=0"]);
let agent: Agent;
beforeAll(async () => {
  if (!hasJournald()) return;
  await journal.start();
  const options = { log_collection: "journald", journal_namespace: journal.namespace, unveil_by_task: true };
  agent = await startAgent({ options });
});
afterAll(() => journal.remove());
beforeEach((context) => requireJournald(context));

const unitOf = ({ cgroup }: Allocation) => cgroup.path.slice(cgroup.path.lastIndexOf("/") + 1);

/** What a connection says first, to make entries of another service. */
const header = "nginx\nnginx.service\n0\n0\n0\n0\n0\n";

test("a header in a task's output is lines of the task, under its own name and cgroup", async () => {
  // On a connection of its own, the header counts: who reaches the socket may choose an identifier.
  const own = connect(journal.socket);
  own.write(`${header}forged\n`);
  await eventually(() => expect(journal.messages("-t", "nginx")).toEqual(["forged"]));
  own.destroy();
  const allocation = makeAllocation();
  const command = { command: "printf", args: ["%s", `${header}forged again\n`] };
  expect(await runTask(agent, allocation.config(command))).toMatchObject({ exitCode: 0 });
  const lines = `${header}forged again`.split("\n");
  await eventually(() => expect(journal.messages(`_SYSTEMD_UNIT=${unitOf(allocation)}`)).toEqual(lines));
  expect(journal.messages("-t", "job.main")).toEqual(lines);
  expect(journal.messages("-t", "nginx")).toEqual(["forged"]);
});

test("a task's name that means something to a shell has no effect, and is no unit's", async () => {
  const allocation = makeAllocation({ taskName: "a nginx.service;$(reboot)" });
  expect(await runTask(agent, allocation.config("echo up"))).toMatchObject({ exitCode: 0 });
  const identifier = "job.a_nginx.service___reboot_";
  await eventually(() => expect(journal.messages("-t", identifier)).toEqual(["up"]));
  const [entry] = journal.entries("-t", identifier);
  expect(entry?.PRIORITY).toBe("6");
  expect(entry?._SYSTEMD_UNIT).not.toBe("nginx.service");
  const { folder: allocFolder, taskName: task } = allocation;
  const told = readLog({ folder: `${allocFolder}/alloc/logs`, task, stream: "stdout" }).toString();
  const command = `journalctl --namespace=${journal.namespace} -t ${identifier}`;
  expect(told).toBe(`[exec2: the output of this task is in journald: ${command}]\n`);
});

test("a task gets no descriptor of the journal's socket, and does not reach it", async () => {
  const allocation = makeAllocation();
  const gate = allocation.gate();
  const script = `
    import socket, sys
    for family in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        path = "${journal.socket}" if family == socket.SOCK_STREAM else "${journal.socket.replace("stdout", "socket")}"
        try:
            socket.socket(socket.AF_UNIX, family).connect(path)
            print("reached", path)
        except OSError as error:
            print("refused", error.errno)
    open(sys.argv[1]).readline()`;
  const python = { unveil: ["rx:/usr"], command: "/usr/bin/python3" };
  const args = ["-u", "-c", script.replaceAll("\n    ", "\n"), `${allocation.taskFolder}/local/gate`];
  const { config } = await startedTask(agent, { ...python, args }, allocation);
  const unit = `_SYSTEMD_UNIT=${unitOf(allocation)}`;
  await eventually(() => expect(journal.messages(unit)).toEqual(["refused 2", "refused 2"]));
  const [task = 0] = allocation.cgroup.processes().filter((pid) => targetsOf(pid).includes("/dev/null"));
  expect(targetsOf(task).filter((target) => target.startsWith("socket:"))).toEqual([]);
  gate();
  expect(await waitTask(agent, config)).toMatchObject({ exitCode: 0 });
});

test("no line of a task gets to the terminals to which journald writes, and journalctl shows no control characters", async (context) => {
  requireTools(context, "python3");
  const terminal = await openTerminal();
  // As journald does with the terminals of all who are logged in, for lines of priority 0.
  const console = ["ForwardToConsole=yes", `TTYPath=${terminal.path}`, "MaxLevelConsole=emerg"];
  const shouting = await startJournal(context, console);
  const hostile = "<0>\x1b]0;owned\x07\x1b[2J";
  // Journald ends its side at once.
  const own = connect({ path: shouting.socket, allowHalfOpen: true }).on("error", () => undefined);
  // The fourth line says that `<0>` at a line's begin is its priority.
  own.write(`nginx\n\n6\n1\n0\n0\n0\n${hostile}of nobody\n`);
  await eventually(() => expect(terminal.shown()).toContain("\x1b]0;owned\x07\x1b[2Jof nobody"));

  const options = { log_collection: "journald", journal_namespace: shouting.namespace };
  const allocation = makeAllocation();
  const command = { command: "printf", args: ["%s", `${hostile}of a task\n`] };
  await runTask(await startAgent({ options }), allocation.config(command));
  const unit = `_SYSTEMD_UNIT=${unitOf(allocation)}`;
  // Text with control characters is a list of bytes in journalctl's JSON.
  const bytes = [...Buffer.from(`${hostile}of a task`)];
  await eventually(() => expect(shouting.messages(unit)).toEqual([bytes]));
  own.end("<0>the last line\n");
  await eventually(() => expect(terminal.shown()).toContain("the last line"));
  expect(terminal.shown()).not.toContain("of a task");

  const shown = execFileSync("journalctl", [`--namespace=${shouting.namespace}`, "--no-pager", unit], {
    encoding: "utf8",
  });
  expect(shown).toContain("job.main");
  expect(shown).not.toMatch(/(?!\n)\p{Cc}/u);
});

/** A terminal that nobody controls. */
async function openTerminal() {
  const script = `
import os, pty, sys, tty
leader, follower = pty.openpty()
tty.setraw(follower)
print(os.ttyname(follower), flush=True)
while True: os.write(1, os.read(leader, 4096))`;
  const holder = spawn("python3", ["-c", script], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void holder.kill());
  let written = "";
  holder.stdout.on("data", (chunk: Buffer) => {
    written += chunk.toString("latin1");
  });
  await eventually(() => expect(written).toContain("\n"));
  const path = written.slice(0, written.indexOf("\n"));
  return { path, shown: () => written.slice(path.length + 1) };
}

function targetsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}
