/**
 * Failures that people plant in their jobs. The agent's message, the page and the first two sentences of `why` name
 * the cause of each in the same words, and nothing else. The virtual machine has those that need limits on memory.
 */
import { spawn } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { findDenialProblem } from "../../../src/effects/denials/denialWatch.ts";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { History } from "../../../src/history/replay/history.ts";
import { outcomeOf } from "../../../src/inspector/views/outcome.ts";
import { causeText } from "../../../src/machines/events/cause.ts";
import { type Agent, pidOf, startAgent, startTask } from "../../support/agent/agent.ts";
import { type Allocation, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { blackBoxProblem } from "../../support/host/blackBoxProblem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

const subject = "some of the planted failures";
const noBlackBox = await blackBoxProblem(subject);
const noDenials = await findDenialProblem("on", landlockAbi());
if (noDenials !== undefined) console.warn(`NOT TESTED: ${subject}, since ${noDenials}`);

interface Planted {
  readonly command: Command;
  readonly allocation?: Allocation;
  readonly cause: RegExp;
  /** What happens to the task's main process. */
  readonly act?: (pid: number) => void;
}

function allocationWithLogs(): Allocation {
  const allocation = makeAllocation();
  allocation.stdout.keepFile();
  allocation.stderr.keepFile();
  return allocation;
}

/** A file of the host with this mode, and its folder, which everybody may enter. */
function hostFile(mode: number): string {
  const folder = temporaryFolder("/var/tmp");
  chmodSync(folder, 0o755);
  writeFileSync(`${folder}/app.conf`, "text");
  chmodSync(`${folder}/app.conf`, mode);
  return `${folder}/app.conf`;
}

/** A port at which this process listens, or, if it is closed, at which nobody does. */
async function portOf(kind: "used" | "closed"): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server without a port");
  if (kind === "used") onTestFinished(() => void server.close());
  else await new Promise((resolve) => server.close(resolve));
  return address.port;
}

const perl = (code: string, ...args: string[]) => ({ command: "perl", args: ["-e", code, ...args] });

const failures: Readonly<Record<string, () => Planted | Promise<Planted>>> = {
  "a path that its output names": () => ({
    command: "cat /etc/login.defs",
    cause: /^its last line names \/etc\/login\.defs: nothing is there in its root; the host has it/,
  }),
  "a secret that is missing in its environment": () => ({
    command: perl('$ENV{DB_PASSWORD} // die "required environment variable DB_PASSWORD is not set"'),
    cause: /^its last line names the variable DB_PASSWORD, which its environment does not have/,
  }),
  "a secret that a script asks for": () => ({
    command: `: "\${DB_PASSWORD:?set it in the job}"; echo started`,
    cause: /^its last line names the variable DB_PASSWORD, which its environment does not have/,
  }),
  "a port in use": async () => {
    const port = await portOf("used");
    return {
      command: perl(
        'use IO::Socket::INET; IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => $ARGV[0]) or die "cannot listen on port $ARGV[0]: $!"',
        String(port),
      ),
      cause: new RegExp(`^its last line names port ${port}, which is in use now, by \\S+`),
    };
  },
  "a template that only root may read": () => {
    const allocation = allocationWithLogs();
    const path = `${allocation.taskFolder}/secrets/key`;
    writeFileSync(path, "secret", { mode: 0o600 });
    return {
      command: 'cat "$NOMAD_SECRETS_DIR/key"',
      allocation,
      cause: /^its last line: file \/.+ the task runs as uid \d+/,
    };
  },
  "a service that it depends on, and that is down": async () => {
    const port = await portOf("closed");
    return {
      command: perl(
        'use IO::Socket::INET; IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or die "connect to 127.0.0.1:$ARGV[0]: $!"',
        String(port),
      ),
      cause: new RegExp(`^its last line names 127\\.0\\.0\\.1:${port}: nobody listens there now`),
    };
  },
  "a heap of Node that is full": () => ({
    command:
      "echo 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory' >&2; kill -ABRT $$",
    cause:
      /^SIGABRT right after its last message: it ran out of memory by itself \(JavaScript heap out of memory\)/,
  }),
};

const withDenials: typeof failures = {
  "a denied file": () => ({
    command: `cat ${hostFile(0o644)}`,
    cause: /^it was denied reading \/var\/tmp\/\S+; unveil = \["r:\/var\/tmp\/\S+"\] allows it/,
  }),
  "a denied call": () => ({
    command: "unshare -U true",
    cause: /^it was denied the system call unshare/,
  }),
};

const withBlackBox: typeof failures = {
  "a path that its output names": () => ({
    command: "cat /etc/login.defs",
    cause:
      /^nothing at \/etc\/login\.defs in its root; the host has it \(its last failed call\): unveil = \["r:\/etc\/login\.defs"\]/,
  }),
  "a full disk": () => ({
    command: "dd if=/dev/zero of=/dev/full count=1",
    cause: /^no space was left where it wrote \(write, ENOSPC\)/,
  }),
  "a service that is down, and that it does not name": async () => {
    const port = await portOf("closed");
    return {
      command: perl(
        'use IO::Socket::INET; IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or die "no database: $!"',
        String(port),
      ),
      cause: new RegExp(`^it could not connect to 127\\.0\\.0\\.1:${port}: nobody listens there`),
    };
  },
  "a file that it misses without a word": () => ({
    command: perl('open(F, "<", $ARGV[0]) or exit 3', hostFile(0o644)),
    cause:
      /^it last missed \/var\/tmp\/\S+, which the host has, but not its root: unveil = \["r:\/var\/tmp\//,
  }),
  "a stranger who kills it": () => ({
    command: { command: "sleep", args: ["1000"] },
    act: (pid) => void spawn("sh", ["-c", `kill -KILL ${pid}; sleep 1`]),
    cause: /^killed by pid \d+ \(sh\), user root/,
  }),
};

/** The sentences of `why`, without its first line and without the numbers of events. */
async function sentences({ stateDir }: Agent, id: string): Promise<string[]> {
  const { stdout } = await call(["why", id, "--state-dir", stateDir]);
  const text = stdout.slice(stdout.indexOf("\n\n")).replaceAll(/\s+/g, " ").trim();
  return text.split(/ \[[\d,…]+\]\. ?/);
}

function named(cases: typeof failures, options: Readonly<Record<string, unknown>>): void {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent({ options });
  });
  // Audit is the host's, and stays on otherwise.
  afterAll(() => agent.base.setConfig(setConfig({ ...options, denials: "off", state_dir: agent.stateDir })));

  test.each(Object.keys(cases))("%s", async (name) => {
    const planted = await (cases[name] as () => Planted | Promise<Planted>)();
    const { command, allocation = allocationWithLogs(), cause, act } = planted;
    const config = allocation.config(command);
    await startTask(agent, config);
    act?.(await pidOf(agent, config));
    const { err } = await agent.driver.waitTask({ taskId: config.id });
    expect(err).toMatch(cause);
    const { finalState } = new History(config.id, await eventsOf(agent.stateDir, config.id));
    const { cause: found } = finalState.context.exit ?? {};
    const text = found == null ? "" : causeText(found);
    const sentence = err.replace(/…? \(nomad-driver-exec2 why \S+\)$/, "");
    expect(text.slice(0, sentence.length)).toBe(sentence);
    expect(outcomeOf(finalState).text.toLowerCase()).toContain(text.toLowerCase());
    const [first = "", second = "", ...rest] = await sentences(agent, config.id);
    const loosely = new RegExp(cause.source.replaceAll(/(^|\|)\^/g, "$1"), "i");
    expect(`${first}. ${second}`).toMatch(loosely);
    expect([second, ...rest].join(". ")).not.toMatch(/unveil_paths|add missing paths/);
    await agent.driver.destroyTask({ taskId: config.id, force: true });
  });
}

/** An agent's collector may write the output later than it is looked for; the driver's own logger has written all. */
const ownLogs = { log_collection: "driver" };

describe("the cause is", () => named(failures, ownLogs));
describe.skipIf(noDenials !== undefined)("with denials, the cause is", () =>
  named(withDenials, { ...ownLogs, root: "host", denials: "on" }),
);
describe.skipIf(noBlackBox !== undefined)("with a black box, the cause is", () =>
  named(withBlackBox, { ...ownLogs, black_box: "on" }),
);
