/** Attacks of a task on the journal to which its output goes. */
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Agent, runTask, startAgent, startedTask, waitTask } from "../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../support/agent/allocation.ts";
import { readLog } from "../support/agent/logReader.ts";
import { eventually } from "../support/host/eventually.ts";
import { hasJournald, Journal, requireJournald } from "../support/host/journal.ts";

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

function targetsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}
