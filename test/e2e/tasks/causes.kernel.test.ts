/** Failures that people plant in their jobs, and what the agent shows as the cause of each. */
import { chmodSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Agent, startAgent, startTask } from "../../support/agent/agent.ts";
import {
  type Allocation,
  type Command,
  type Differing,
  makeAllocation,
} from "../../support/agent/allocation.ts";

/** An agent's collector may write the output later than it is looked for; the driver's own logger has written all. */
const ownLogs = { log_collection: "driver" };

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({ options: ownLogs });
});

function allocationWithLogs(): Allocation {
  const allocation = makeAllocation();
  allocation.stdout.keepFile();
  allocation.stderr.keepFile();
  return allocation;
}

/** The message that the agent shows beside the exit code. */
async function messageOf(
  command: Command,
  allocation = allocationWithLogs(),
  of = agent,
  differing: Differing = {},
): Promise<string> {
  const config = allocation.config(command, differing);
  await startTask(of, config);
  const { err } = await of.driver.waitTask({ taskId: config.id });
  await of.driver.destroyTask({ taskId: config.id, force: true });
  return err;
}

/** A port at which a server of this process listens. */
async function usedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server without a port");
  return address.port;
}

const more = / \(nomad-driver-exec2 why [0-9a-f]{8}\/main\)$/;

describe("the exit message", () => {
  test.each([
    [
      "cat /etc/login.defs",
      "its last line names /etc/login.defs: nothing is there in its root; the host has it",
    ],
    [
      "cat /etc/no-such-file",
      "its last line names /etc/no-such-file: nothing is there, neither in its root nor on the host",
    ],
    [
      "set -u; echo $DB_PASSWORD",
      "its last line names the variable DB_PASSWORD, which its environment does not have",
    ],
    ["no-such-command", "its shell did not find the command no-such-command"],
    [
      "kill -SEGV $$",
      "ended by SIGSEGV, whose usual reason is: it accessed memory that is not its own, which is a bug in the program",
    ],
    ["kill -KILL $$", "ended by SIGKILL, which the driver did not send; who did is not recorded"],
  ])("of %j says: %s", async (script, text) => {
    const message = await messageOf(script);
    expect(message.startsWith(text)).toBe(true);
    expect(message).toMatch(more);
    expect(message.length).toBeLessThanOrEqual(200);
  });

  test("of a port in use names who listens there", async () => {
    const port = await usedPort();
    const script = `use IO::Socket::INET; IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => ${port}) or die "cannot listen on port ${port}: $!"`;
    const message = await messageOf({ command: "perl", args: ["-e", script] });
    expect(message).toMatch(
      new RegExp(`^its last line names port ${port}, which is in use now, by \\S+ \\(nomad`),
    );
  });

  test.each([
    "echo 'ERROR bind: listen tcp :1: address already in use'; exit 1",
    "echo 'dd: error writing x: No space left on device' >&2; exit 1",
    "echo 'connect to 192.0.2.1:443: connection refused' >&2; exit 1",
    "cat /etc/login.defs; echo going on; exit 1",
    "echo 'warning: cannot open /etc/login.defs: No such file or directory'; exit 1",
    "exit 137",
    "exit 127",
    "sh -c 'kill -ABRT $$'; exit $?",
  ])("of %j names no cause, because the host confirms none", async (script) => {
    expect(await messageOf(script)).toBe("");
  });

  test("of a file that only root may read says whose it is", async () => {
    const allocation = allocationWithLogs();
    const path = `${allocation.taskFolder}/local/key`;
    writeFileSync(path, "secret");
    chmodSync(path, 0o600);
    expect(await messageOf(`cat ${path}`, allocation)).toMatch(
      // A long text lacks its middle.
      new RegExp(
        `^its last line: file ${path.slice(0, 40)}.* mode 0600; the task runs as uid ${allocation.user.uid}`,
      ),
    );
  });

  test("does not tell what only root may see", async () => {
    expect(await messageOf("echo 'cat: /root/.profile: No such file or directory' >&2; exit 1")).toBe("");
    const link = allocationWithLogs();
    const script =
      'ln -s /root $NOMAD_TASK_DIR/x; echo "cat: $NOMAD_TASK_DIR/x/.profile: Permission denied" >&2; exit 1';
    expect(await messageOf(script, link)).toBe("");
  });

  test("does not come from the output of an earlier run", async () => {
    const allocation = allocationWithLogs();
    expect(await messageOf("cat /etc/login.defs", allocation)).toMatch(/login/);
    expect(await messageOf("exit 1", allocation)).toBe("");
  });

  test.each(["exit 0", "echo 'bind: address already in use' >&2; exit 0"])(
    "is empty after %j",
    async (script) => {
      expect(await messageOf(script)).toBe("");
    },
  );

  test("is empty after a stop, and without a known cause", async () => {
    const allocation = allocationWithLogs();
    const config = allocation.config(
      "trap 'echo Permission denied: /etc/x; exit 3' TERM; echo up; while :; do read -r _ < $NOMAD_TASK_DIR/gate; done",
    );
    allocation.gate();
    const other = await startAgent();
    await startTask(other, config);
    await allocation.stdout.contains("up\n");
    const ended = other.driver.waitTask({ taskId: config.id });
    await other.driver.stopTask({
      taskId: config.id,
      signal: "SIGTERM",
      timeout: { seconds: 20, nanos: 0 },
    });
    expect((await ended).err).toBe("");
    // No earlier run of the job is a good one.
    const ofAnother = { jobId: "silent" };
    expect(await messageOf("echo no idea; exit 3", allocationWithLogs(), agent, ofAnother)).toBe("");
  });
});

describe("exit_message", () => {
  const secret = "connect to db: password hunter2: connection refused";
  test.each([
    ["cause", /^$/, ""],
    [
      "output",
      /^its output ends with: "connect to db: password hunter2: connection refused" \(nomad/,
      'its output ends with: "no idea" (nomad',
    ],
    ["off", /^$/, ""],
  ])("%s", async (exit_message, known, unknown) => {
    const other = await startAgent({ options: { ...ownLogs, exit_message } });
    expect(await messageOf(`echo '${secret}' >&2; exit 1`, allocationWithLogs(), other)).toMatch(known);
    const message = await messageOf("echo no idea; exit 3", allocationWithLogs(), other);
    expect(message.startsWith(unknown)).toBe(true);
    expect(message === "").toBe(unknown === "");
  });
});
