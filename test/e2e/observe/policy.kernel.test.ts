/**
 * Jobs whose needs occur in one of many runs: `policy` finds what no run used, its smallest options let each run do
 * what it needs, and no candidate without the rare need is said to be safe.
 */
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type Agent, runTask, startAgent } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { observeProblem } from "../../support/host/observeProblem.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

const problem = await observeProblem("policy");

interface Job {
  /** What it does in one run only. `$F` is a folder of the host. */
  readonly rare: string;
  /** The entries that it needs for that. */
  readonly entries: readonly string[];
  /** What is enough of them, if that is less. */
  readonly enough?: readonly string[];
  readonly root?: "host";
}

const perl = (code: string) => `perl -MSocket -e '${code}'`;

const jobs: Readonly<Record<string, Job>> = {
  "a log rotation": {
    rare: "mv $F/logs/app.log $F/logs/app.1; echo > $F/logs/app.log",
    entries: ["rwc:$F/logs"],
    enough: ["wc:$F/logs"],
  },
  "a renewed certificate": { rare: "cp $F/tls/new.pem $F/tls/cert.pem", entries: ["rw:$F/tls"] },
  "an error page": { rare: "cat $F/pages/500.html", entries: ["r:$F/pages"] },
  "a nightly report": { rare: "$F/report $F/data > /dev/null", entries: ["rx:$F/report", "r:$F/data"] },
  "a backup of one file": { rare: "cp $F/data/db $F/backup/db", entries: ["r:$F/data/db", "wc:$F/backup"] },
  "a list of a spool": { rare: "ls $F/spool", entries: ["r:$F/spool"] },
  "a flag that is only looked for": { rare: "test -e $F/flag", entries: ["r:$F/flag"] },
  "a file through a link": { rare: "cat $F/current/index", entries: ["r:$F/current"] },
  "a socket of a service": {
    rare: perl(
      'socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un("$ENV{F}/none")); exit(-e "$ENV{F}/sockets" ? 0 : 1)',
    ),
    entries: ["r:$F/sockets"],
  },
  "a cache that is emptied": { rare: "rm $F/cache/old", entries: ["rc:$F/cache"], enough: ["c:$F/cache"] },
  "a folder that is made": {
    rare: "mkdir $F/uploads/new",
    entries: ["wc:$F/uploads"],
    enough: ["c:$F/uploads"],
  },
  "a file that moves to where it may be read": {
    rare: "mv $F/logs/app.log $F/uploads/app.log && cat $F/uploads/app.log > /dev/null",
    entries: ["rwc:$F/logs", "rwc:$F/uploads"],
    // With less, the file would gain the right to be read by its move. In a private root it would be copied.
    enough: ["rwc:$F/logs", "rc:$F/uploads"],
    root: "host",
  },
  "a file that is overwritten": { rare: "echo > $F/stamp", entries: ["rw:$F/stamp"], enough: ["w:$F/stamp"] },
};

/** What all of them need in every run, and what none needs. */
const [common, planted] = ["r:$F/common", "r:$F/planted"];

function hostFolder(): string {
  const folder = temporaryFolder("/var/tmp");
  for (const name of [
    "",
    "logs",
    "tls",
    "pages",
    "data",
    "backup",
    "spool",
    "v1",
    "sockets",
    "cache",
    "uploads",
  ]) {
    if (name !== "") mkdirSync(`${folder}/${name}`);
    chmodSync(`${folder}/${name}`, 0o777);
  }
  const files = [
    "logs/app.log",
    "tls/new.pem",
    "tls/cert.pem",
    "pages/500.html",
    "data/db",
    "v1/index",
    "flag",
  ];
  for (const file of [...files, "cache/old", "stamp", "common", "planted"]) {
    writeFileSync(`${folder}/${file}`, "text");
    chmodSync(`${folder}/${file}`, 0o666);
  }
  copyFileSync("/usr/bin/ls", `${folder}/report`);
  chmodSync(`${folder}/report`, 0o755);
  symlinkSync("v1", `${folder}/current`);
  return folder;
}

describe.skipIf(problem !== undefined)("policy of", () => {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent({ options: { observe: "on", unveil_by_task: true, allow_host_root: true } });
  });

  test.each(Object.entries(jobs))(
    "%s",
    async (title, { rare, entries, enough = entries, root = "private" }) => {
      const jobId = title.replaceAll(" ", "-");
      const folder = hostFolder();
      let last = "";
      const filled = (texts: readonly string[]) => texts.map((text) => text.replaceAll("$F", folder));
      const run = async (unveil: readonly string[], does: string) => {
        const script = `export F=${folder}; cat $F/common > /dev/null || exit 9; ${does}`;
        const command = { command: "sh", args: ["-c", script], root, unveil: [...unveil] };
        const task = makeAllocation().config(command, {
          jobId,
          jobName: jobId,
          taskGroupName: "group",
        });
        last = task.id;
        return (await runTask(agent, task)).exitCode;
      };
      const state = ["--state-dir", agent.stateDir];
      const judgement = async (unveil: readonly string[]) => {
        const file = `${temporaryFolder()}/candidate.nomad.hcl`;
        const config = `command = "sh"\nroot = "${root}"\nunveil = ${JSON.stringify(unveil)}`;
        writeFileSync(
          file,
          `job "${jobId}" {\n group "group" {\n task "main" {\n driver = "exec2"\n config {\n${config}\n}\n}\n}\n}\n`,
        );
        const { code, stdout } = await call(["policy", jobId, "--candidate", file, "--json", ...state]);
        return [code, JSON.parse(stdout).judgement];
      };
      const all = filled([common, planted, ...entries]);
      expect(await run(all, "true")).toBe(0);
      expect(await run(all, rare)).toBe(0);
      expect(await run(all, "true")).toBe(0);
      const { stdout } = await call(["policy", jobId, "--json", ...state]);
      const policy = JSON.parse(stdout);
      expect(policy).toMatchObject({ runs: 3, gaps: [], unmet: [] });
      const uses = new Map(
        policy.entries.map((each: { entry: string; runs: number }) => [each.entry, each.runs]),
      );
      for (const [entry, runs] of [
        [common, 3],
        [planted, 0],
        ...entries.map((need) => [need, 1] as const),
      ] as const)
        expect(uses.get(entry.replaceAll("$F", folder)), entry).toBe(runs);
      expect(policy.smallest.unveil).toEqual(filled([common, ...enough]));
      const exposure = await call(["exposure", last, "--json", ...state]);
      expect(JSON.parse(exposure.stdout)).toMatchObject({
        ...{ observedRuns: 3, unused: filled([`unveil ${planted}`]) },
      });
      expect(await judgement(policy.smallest.unveil)).toEqual([0, "allows"]);
      for (const need of filled(enough)) {
        const without = policy.smallest.unveil.filter((entry: string) => entry !== need);
        expect(await judgement(without), need).toEqual([1, "refuses"]);
      }
      // Promoted, with the host as it was.
      const again = hostFolder();
      const promoted = policy.smallest.unveil.map((entry: string) => entry.replaceAll(folder, again));
      const script = `export F=${again}; cat $F/common > /dev/null || exit 9; ${rare}`;
      const config = { command: "sh", args: ["-c", script], root, unveil: promoted };
      expect((await runTask(agent, makeAllocation().config(config))).exitCode).toBe(0);
    },
  );
});
