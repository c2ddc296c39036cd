/**
 * Causes of real programs: a dozen that mislead, because they print something alarming or miss something, and fail for
 * another reason; and a dozen planted failures. No cause may be false, with and without a black box. A task in a private
 * root, by default.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EventData } from "../../../src/machines/events.ts";
import { type Agent, runTask, startAgent } from "../../support/agent/agent.ts";
import { type Allocation, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { blackBoxProblem } from "../../support/host/blackBoxProblem.ts";

const problem = await blackBoxProblem("causes with a black box");

const server = createServer();
let [used, closed] = [0, 0];
beforeAll(async () => {
  const other = createServer();
  for (const each of [server, other]) {
    await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));
  }
  const portOf = (each: typeof server) => Object(each.address()).port as number;
  [used, closed] = [portOf(server), portOf(other)];
  await new Promise((resolve) => other.close(resolve));
});
afterAll(() => void server.close());

const perl = (code: string) => ({ command: "perl", args: ["-e", code] });
const connect = (port: number) => `use IO::Socket::INET; IO::Socket::INET->new("127.0.0.1:${port}")`;
const listen = (port: number) =>
  `use IO::Socket::INET; IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => ${port})`;

const threadThatProbes = `
import os, threading, time
def probe():
    while True:
        os.path.exists("/etc/login.defs")
        time.sleep(0.01)
threading.Thread(target=probe, daemon=True).start()
time.sleep(0.3)
os._exit(3)`;

/** Programs that fail for another reason than the one that they tell of. */
const misleading: Readonly<Record<string, () => Command>> = {
  "a missing file, and then a bad argument": () =>
    "cat /etc/login.defs; echo 'bad argument: --prot' >&2; exit 2",
  "a missing file in one stream, and work in the other": () => "cat /etc/login.defs; echo working; exit 3",
  "a warning as the last line": () =>
    "echo 'warning: cannot open /etc/login.defs: No such file or directory' >&2; exit 3",
  "a full disk that is not full": () => "echo 'no space left on device' >&2; exit 7",
  "a connection that was tried again": () =>
    perl(`${connect(closed)} or warn "connect to 127.0.0.1:${closed}: $!, retrying\\n"; die "bad schema\\n"`),
  "a caught connection": () => perl(`${connect(closed)}; die "bad checksum\\n"`),
  "a port in use, and then another reason": () =>
    perl(`${listen(used)} or warn "port ${used}: $!\\n"; die "bad licence\\n"`),
  "an exit code of a killed shell": () => perl("exit 137"),
  "an exit code of a missing command": () => perl("exit 127"),
  "an exit code of a crash": () => perl('print STDERR "3 workers left\\n"; exit 139'),
  "a time that looks like a port": () =>
    "echo '12:51:25.245 # Failed opening Unix socket: bind: Permission denied' >&2; exit 1",
  "a probe, and then a usage": () => perl('-e "/etc/login.defs"; die "usage: app FILE\\n"'),
  "a signal that it survives": () => perl('$SIG{SEGV} = sub {}; kill "SEGV", $$; die "bad input\\n"'),
  "a thread that looks for what is missing": () => ({
    command: "python3",
    args: ["-c", threadThatProbes],
  }),
  "a path that it looked for a while before": () =>
    perl('-e "/etc/login.defs"; select(undef, undef, undef, 0.5); exit 3'),
  "a summary of tests": () =>
    perl(`print STDERR "1 failed: test_port (Address already in use: 127.0.0.1:${used})\\n"; exit 1`),
  "a helper that crashes and is not needed": () => "perl -e 'kill SEGV => $$'; echo 'bad input' >&2; exit 4",
};

interface Planted {
  readonly command: () => Command;
  readonly kind: string;
  readonly prepare?: (allocation: Allocation) => void;
}

const planted: Readonly<Record<string, Planted>> = {
  "a missing file": { command: () => "cat /etc/login.defs", kind: "missing_path" },
  "a file that nobody has": { command: () => "cat /etc/no-such-file", kind: "missing_path" },
  "a missing file of a program that says nothing": {
    command: () => perl('open(F, "<", "/etc/login.defs") or exit 3'),
    kind: "missing_path",
  },
  "a port in use": {
    command: () => perl(`${listen(used)} or die "listen on port ${used}: $!"`),
    kind: "port_in_use",
  },
  "a port in use that it does not name": {
    command: () => perl(`${listen(used)} or die "cannot listen: $!"`),
    kind: "port_in_use",
  },
  "a service that is down": {
    command: () => perl(`${connect(closed)} or die "connect to 127.0.0.1:${closed}: $!"`),
    kind: "connection_refused",
  },
  "a service that is down, of a program that says nothing": {
    command: () => perl(`${connect(closed)} or exit 3`),
    kind: "connection_refused",
  },
  "a disk that is full": { command: () => "dd if=/dev/zero of=/dev/full count=1", kind: "disk_full" },
  "a missing variable": { command: () => "set -u; echo $DB_PASSWORD", kind: "missing_variable" },
  "a missing command": { command: () => "no-such-command", kind: "missing_command" },
  "a file of root": {
    command: () => 'cat "$NOMAD_SECRETS_DIR/key"',
    prepare: ({ taskFolder }) => writeFileSync(`${taskFolder}/secrets/key`, "x", { mode: 0o600 }),
    kind: "permission",
  },
  "a new file in a folder of root": {
    command: () => 'touch "$NOMAD_SECRETS_DIR/own/new"',
    prepare: ({ taskFolder }) => mkdirSync(`${taskFolder}/secrets/own`, { mode: 0o755 }),
    kind: "permission",
  },
  "too many open files": {
    command: () =>
      perl('my @f; for (1 .. 1e6) { open(my $f, "<", "/dev/null") or die "/dev/null: $!"; push @f, $f }'),
    kind: "open_files",
  },
  "a crash": { command: () => perl('unpack "p", pack "Q", 8'), kind: "signal" },
};

/** Advice after which a job's sandbox is more open. */
const opening = /unveil =|egress =|cap_add =|seccomp_allow =|idmapped_volumes =/;

/** An agent's collector may write the output later than it is looked for; the driver's own logger has written all. */
const ownLogs = { log_collection: "driver" };

function honest(options: Readonly<Record<string, unknown>>, atLeast: number): void {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent({ options });
  });

  async function causeOf(command: Command, prepare?: (allocation: Allocation) => void) {
    const allocation = makeAllocation();
    allocation.stdout.keepFile();
    allocation.stderr.keepFile();
    prepare?.(allocation);
    const config = allocation.config(command);
    expect((await runTask(agent, config)).exitCode).not.toBe(0);
    const events = await eventsOf(agent.stateDir, config.id);
    const exited = events.find(({ type }) => type === "exited")?.data as EventData<"exited">;
    return exited.cause;
  }

  test.each(Object.keys(misleading))("misleading: %s", async (name) => {
    const cause = await causeOf((misleading[name] as () => Command)());
    expect(cause).toMatchObject({ kind: "unknown" });
    expect(cause?.text).not.toMatch(opening);
  });

  test("planted failures are named, and none falsely", async () => {
    const named: string[] = [];
    for (const [name, { command, prepare, kind }] of Object.entries(planted)) {
      const cause = await causeOf(command(), prepare);
      if (cause?.grade === "witnessed") expect([name, cause.kind]).toEqual([name, kind]);
      if (cause?.kind === kind) named.push(name);
    }
    console.info(`${named.length} of ${Object.keys(planted).length} are named: ${named.join("; ")}`);
    expect(named.length).toBeGreaterThanOrEqual(atLeast);
  });
}

describe("without a black box", () => honest(ownLogs, 6));
describe.skipIf(problem !== undefined)("with a black box", () => honest({ ...ownLogs, black_box: "on" }, 10));
