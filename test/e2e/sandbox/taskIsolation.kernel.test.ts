import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync } from "node:fs";
import { createServer } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Agent, pidOf, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { type Allocation, type Command, makeAllocation } from "../../support/agent/allocation.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({
    options: {
      ...{ unveil_by_task: true, allow_root: true, allow_caps: ["all"] },
      shared_dynamic_ids: "warn",
    },
  });
});

const root = { name: "root", uid: 0, gid: 0 };

describe("the host's processes", () => {
  test("are invisible to a task: it sees only its init, itself and its children", async () => {
    const command = { command: "sh", args: ["-c", "exec ls /proc"], unveil: ["r:/proc"] };
    const { out } = await run(makeAllocation(), command);
    expect(out.split("\n").filter((name) => /^\d+$/.test(name))).toEqual(["1", "2"]);
  });

  test("of another task are invisible, too", async () => {
    const other = makeAllocation();
    const config = other.config("exec sleep 1000");
    await startTask(agent, config);
    const pid = await pidOf(agent, config);
    const { exitCode, err } = await run(makeAllocation({ user: other.user }), `kill -KILL ${pid}`);
    expect({ exitCode, err }).toMatchObject({ exitCode: 1, err: expect.stringMatching(/No such process/) });
    expect(other.cgroup.processes()).toEqual([pid]);
  });

  test("cannot be signalled, not even by root, and neither can the task's own init", async () => {
    const { out } = await run(
      makeAllocation({ user: root }),
      `
      kill -0 1 2> /dev/null && echo init; kill -0 ${process.pid} 2> /dev/null && echo host
      sleep 1000 & kill -KILL $! && echo child`,
    );
    expect(out).toBe("child\n");
  });

  test("survive a task that kills every process that it can", async () => {
    const { result } = await run(
      makeAllocation({ user: root }),
      "kill -KILL -1; kill -KILL 0; kill -KILL $$",
    );
    expect(result).toMatchObject({ signal: 9 });
  });
});

describe("abstract unix sockets", () => {
  const connecting = (name: string) => `
    use Socket;
    socket(my $socket, PF_UNIX, SOCK_STREAM, 0) or die;
    print connect($socket, pack_sockaddr_un("\\0${name}")) ? "connected" : "refused: " . ($! + 0);`;
  const EPERM = 1;

  test("of the host are closed", async () => {
    const name = `exec2-test-${process.pid}`;
    const server = createServer().listen(`\0${name}`);
    await once(server, "listening");
    onTestFinished(() => void server.close());
    // A process outside of a sandbox can connect, whatever its user.
    const { uid } = makeAllocation().user;
    const outside = spawnSync("perl", ["-e", connecting(name)], { uid, gid: uid, encoding: "utf8" });
    const { out } = await run(makeAllocation(), { command: "perl", args: ["-e", connecting(name)] });
    // The server is this process. It has not accepted the connection yet, but the backlog suffices to
    // connect.
    expect({ outside: outside.stdout, inside: out }).toEqual({
      outside: "connected",
      inside: `refused: ${EPERM}`,
    });
  });

  test("of the task's own are open", async () => {
    const program = `
      use Socket;
      socket(my $server, PF_UNIX, SOCK_STREAM, 0) or die;
      bind($server, pack_sockaddr_un("\\0own")) or die; listen($server, 1) or die;
      ${connecting("own")}`;
    const { out } = await run(makeAllocation(), { command: "perl", args: ["-e", program] });
    expect(out).toBe("connected");
  });
});

describe("ways out of the sandbox", () => {
  test("set-uid programs give no rights", async () => {
    const allocation = makeAllocation();
    const program = `${allocation.taskFolder}/local/id`;
    copyFileSync("/usr/bin/id", program);
    chmodSync(program, 0o6755);
    const { out } = await run(allocation, { command: "local/id", args: [] });
    const { name, uid } = allocation.user;
    expect({ name, out }).toEqual({ name, out: `uid=${uid} gid=${uid} groups=${uid}\n` });
  });

  test("a task cannot mount, not even as root", async () => {
    const { exitCode, out } = await run(
      makeAllocation({ user: root }),
      "mount --bind $NOMAD_TASK_DIR /etc && echo mounted; exit 3",
    );
    expect({ exitCode, out }).toEqual({ exitCode: 3, out: "" });
  });
});

async function run(allocation: Allocation, command: Command) {
  const config = allocation.config(command);
  await startTask(agent, config);
  const result = await waitTask(agent, config);
  const [out, err] = await Promise.all([allocation.stdout.text(), allocation.stderr.text()]);
  return { result, exitCode: result.exitCode, out, err };
}
