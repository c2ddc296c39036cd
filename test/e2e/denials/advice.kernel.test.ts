/**
 * Advice on denials, with this host's real audit: for every kind that has a line for the job file, a task is
 * denied something, gets the advised line, and then succeeds. Attacks on the sandbox and on what is beside
 * the denied path fail with the line as they do without it.
 */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findDenialProblem } from "../../../src/effects/denials/denialWatch.ts";
import { abiWith, rightsOfFamily } from "../../../src/effects/landlock/rights.ts";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { adviceFor } from "../../../src/effects/verdicts.ts";
import { History } from "../../../src/history/replay/history.ts";
import { readHistory } from "../../../src/history/replay/storedHistory.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventReader } from "../../../src/store/lmdb/eventReader.ts";
import { type Agent, runTask, startAgent } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { setConfig } from "../../support/agent/requests.ts";
import { hasCall, perlCalls, refusedCalls } from "../../support/attacks/refusedCalls.ts";
import { ownNamespaces, packetFilter, setUserIdFiles } from "../../support/attacks/scripts.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const problem = await findDenialProblem("on", landlockAbi());
if (problem !== undefined) console.warn(`NOT TESTED: advice on denials, since ${problem}`);

type Options = Readonly<Record<string, unknown>>;

interface Case {
  /** A shell script that exits with 0 only if it may do what is denied. `$F` is a folder of the host. */
  readonly script: string;
  /** The task's options, in which `$F` is the same folder. */
  readonly options?: Options;
}

const perl = (code: string) => `perl -MSocket -e '${code}'`;
const tcp = "socket(S, PF_INET, SOCK_STREAM, 0)";
const connects = (port: number) =>
  `${tcp}; connect(S, pack_sockaddr_in(${port}, INADDR_LOOPBACK)); exit($!{EACCES} ? 3 : 0)`;
const binds = (port: number) =>
  `${tcp}; setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1); exit(bind(S, pack_sockaddr_in(${port}, INADDR_LOOPBACK)) || $!{EADDRINUSE} ? 0 : 3)`;

/** Every kind of denial for which there is a line, by the right that refuses it. */
const cases: Readonly<Record<string, Case>> = {
  "fs.execute": { script: "$F/program" },
  "fs.write_file": { script: "echo more >> $F/file" },
  "fs.read_file": { script: "cat $F/file" },
  "fs.read_dir": { script: "ls $F" },
  "fs.remove_dir": { script: "rmdir $F/empty || test ! -e $F/empty" },
  "fs.remove_file": { script: "rm -f $F/old && test ! -e $F/old" },
  "fs.make_dir": { script: "mkdir -p $F/made" },
  "fs.make_reg": { script: "touch $F/new" },
  "fs.make_sock": {
    script: perl('socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un("$F/sock")) or die'),
  },
  "fs.make_fifo": { script: "mkfifo $F/fifo" },
  "fs.make_sym": { script: "ln -s a $F/link" },
  // Both ends need the same rights.
  "fs.refer": {
    script: perl('link("$F/source/file", "$F/target/linked") or die'),
    options: { unveil: ["wc:$F/source"] },
  },
  "fs.truncate": { script: perl('truncate("$F/file", 0) or die') },
  "net.connect_tcp": { script: perl(connects(81)), options: { connect_tcp: [80] } },
  "net.bind_tcp": { script: perl(binds(4243)), options: { bind_tcp: [8080] } },
  "net.bind_tcp, a low port": { script: perl(binds(81)), options: { bind_tcp: [8080] } },
  "seccomp, by the operator's profile": {
    script: perl("exit(defined getpriority(0, 0) && !$!{EPERM} ? 0 : 3)"),
    options: { seccomp: "strict" },
  },
};

/** Rights without a line: see verdicts.test.ts. */
const withoutLine = ["fs.make_char", "fs.make_block", "fs.ioctl_dev", "fs.resolve_unix"];

test("every right of Landlock that this kernel has is a case, or has no line", () => {
  const rights = [...rightsOfFamily("fs"), ...rightsOfFamily("net")];
  const known = rights.filter((right) => abiWith(right) <= landlockAbi() && !withoutLine.includes(right));
  expect(known.filter((right) => cases[right] === undefined)).toEqual([]);
});

describe.skipIf(problem !== undefined)("on a host that records denials", { timeout: 120_000 }, () => {
  let agent: Agent;
  const options = {
    ...{ root: "host", unveil_by_task: true, seccomp_profiles: [{ strict: ["-getpriority"] }] },
    allow_seccomp: ["strict", "getpriority"],
  };
  const configure = (denials: string) =>
    agent.base.setConfig(setConfig({ ...options, denials, state_dir: agent.stateDir }));
  beforeAll(async () => {
    agent = await startAgent({ options: { ...options, denials: "on" } });
  });
  afterAll(() => configure("off").catch(() => undefined));

  test.each(Object.entries(cases))(
    "the line on %s lets the task do that, and nothing else",
    async (_, each) => {
      const [folder, beside] = [hostFolder(), hostFolder()];
      const script = each.script.replaceAll("$F", folder);
      const refused: Options = JSON.parse(JSON.stringify(each.options ?? {}).replaceAll("$F", folder));
      const before = await attack(refused, beside);
      let allowed = refused;
      let ended = await run(script, allowed);
      expect(ended.exitCode).not.toBe(0);
      // Several rights may be missing, such as those on both ends of a link.
      for (let lines = 0; ended.exitCode !== 0 && lines < 3; lines++) {
        allowed = withLines(allowed, await ended.advice());
        ended = await run(script, allowed);
      }
      expect(ended).toMatchObject({ exitCode: 0 });
      expect(await attack(allowed, beside)).toEqual(before);
    },
  );

  /** What a task with these options reaches: attacks on the sandbox, and on a folder that nothing names. */
  async function attack(task: Options, beside: string): Promise<readonly string[]> {
    const calls = Object.values(refusedCalls).flatMap((group) => group.filter(([name]) => hasCall(name)));
    const [perlFlag = "", program = "", ...args] = perlCalls(calls);
    const scripts = [
      ...Object.values(ownNamespaces),
      packetFilter,
      ...Object.values(setUserIdFiles).map((way) => `rm -f program; ${way}; test -u program && echo made`),
      ...[
        "cat $F/file",
        "echo x >> $F/file",
        "ls $F",
        "$F/program",
        "touch $F/new",
        "rm -f $F/old",
        "mkdir $F/d",
      ],
      ...["ls /etc", "cat /proc/version", "cat /etc/passwd", "touch /usr/bin/made", "kill 1"],
      ...[perl(connects(82)), perl(binds(82)), perl(binds(4244))].map((code) => `${code}; echo $?`),
    ].map((one) => `( ${one.replaceAll("$F", beside)} ) 2>&1`);
    const all = `cd local; perl "$@"; ${scripts.join("; ")}`;
    const { out } = await run(all, task, [perlFlag, program, ...args]);
    const lines = out.split("\n");
    // The calls reach the filter, not the kernel, and the scripts print what refuses them.
    expect(lines.length).toBeGreaterThan(calls.length + scripts.length / 2);
    return lines.map((line) => line.replaceAll(/\/\S*exec2-test-\S*/g, "…"));
  }

  async function run(script: string, task: Options, args: readonly string[] = []) {
    const allocation = makeAllocation();
    const command = { command: "sh", args: ["-c", script, "sh", ...args] };
    const config = allocation.config({ ...command, ...task });
    const { exitCode } = await runTask(agent, config);
    const advice = async () => {
      const reader = await openEventReader(stateFolderPaths(agent.stateDir).events);
      try {
        const { context } = new History(config.id, readHistory(reader, config.id)).finalState;
        const last = context.denials.refusals.at(-1);
        const none = `no advice for ${JSON.stringify(context.denials)}`;
        return last === undefined ? none : adviceFor(last, context) || none;
      } finally {
        await reader.close();
      }
    };
    return { exitCode, out: await allocation.stdout.text(), err: await allocation.stderr.text(), advice };
  }
});

/** The options with the lines of an advice. */
function withLines(options: Options, advice: string): Options {
  expect(advice).toMatch(/^To allow it(?:, with everything below \S+)?: /);
  const [lines = ""] = advice.split("; on the client");
  const changed: Record<string, unknown> = { ...options };
  for (const [, option = "", list = "[]"] of lines.matchAll(/(\w+) = (\[[^\]]*\])/g)) {
    const added: readonly unknown[] = JSON.parse(list);
    const present = option === "unveil" ? ((changed[option] as unknown[] | undefined) ?? []) : [];
    changed[option] = [...new Set([...present, ...added])];
  }
  return changed;
}

/** A folder with files, folders and a program that every user may use. */
function hostFolder(): string {
  const folder = temporaryFolder("/var/tmp");
  for (const name of ["", "/empty", "/source", "/target"]) {
    mkdirSync(`${folder}${name}`, { recursive: true });
    chmodSync(`${folder}${name}`, 0o777);
  }
  for (const name of ["file", "old", "source/file"]) {
    writeFileSync(`${folder}/${name}`, "text");
    chmodSync(`${folder}/${name}`, 0o666);
  }
  copyFileSync("/bin/true", `${folder}/program`);
  chmodSync(`${folder}/program`, 0o755);
  return folder;
}
