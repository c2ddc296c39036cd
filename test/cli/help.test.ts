/** The command line: help, mistyped arguments, exit codes. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createProgram } from "../../src/cli/cli.ts";
import { meantVerb } from "../../src/cli/commands/help/helpVerb.ts";
import { outlineOf } from "../../src/cli/reference/outline.ts";
import { compileCache, programEntry } from "../support/plugin/pluginEntry.ts";

const sources = join(import.meta.dirname, "../../src/main.ts");

const program = createProgram(() => {});
const verbs = program.commands.map((command) => command.name());

function call(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [programEntry, ...args], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, NO_COLOR: "1" },
  });
  return { status, stdout, stderr };
}

it("without arguments, the program lists all verbs on stderr, and exits with 2", () => {
  const { status, stdout, stderr } = call();
  expect(status).toBe(2);
  expect(stdout).toBe("");
  for (const verb of verbs) expect(stderr).toMatch(new RegExp(`^ +${verb}\\b`, "m"));
});

describe("help", () => {
  it.each(verbs)("of %s has examples and fits the terminal", (verb) => {
    const stdout = program.commands.find((command) => command.name() === verb)?.helpInformation() ?? "";
    const { more = "" } = outlineOf(program).verbs.find(({ name }) => name === verb) ?? {};
    expect(`${more}\n`).toMatch(/^Examples?:\n( +\S.*\n)+$/m);
    expect(stdout).not.toContain("default: false");
    for (const line of `${stdout}${more}`.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  it("is the same for VERB --help and for help VERB", () => {
    const { status, stdout } = call("why", "--help");
    expect(status).toBe(0);
    expect(call("help", "why")).toEqual({ status: 0, stdout, stderr: "" });
    expect(call("help").stdout).toBe(call("--help").stdout);
  });
});

describe("a verb that lists something", () => {
  const listing = "archive clean diff doctor events import ls pin ps replay top uninstall validate why".split(
    " ",
  );

  it.each(listing)("%s lists it as JSON, too", (verb) => {
    const { options = [] } = outlineOf(program).verbs.find(({ name }) => name === verb) ?? {};
    expect(options.map(({ long }) => long)).toContain("--json");
  });
});

describe("invalid arguments", () => {
  it.each([
    [["rnu"], "unknown command 'rnu'", "Did you mean run?"],
    [["help", "evnets"], "unknown command 'evnets'", "Did you mean events?"],
    [["help", "run", "stop"], "too many arguments", ""],
    [["run", "--vrebose", "x"], "unknown option '--vrebose'", "Did you mean --verbose?"],
    [["run"], "missing required argument 'job'", ""],
    [["run", "a", "b"], "too many arguments", ""],
    [["run", "--var", "x", "a"], "Expected name=value", ""],
    [["events", "--state-dir"], "argument missing", ""],
    [["events", "--format", "xml"], "Allowed choices are table, json, jsonl, mermaid.", ""],
    [["events", "--json", "--format", "table"], "cannot be used with option '--format <format>'", ""],
    [["events", "-f", "--format", "json"], "but a JSON list does: use --format jsonl", ""],
    [["events", "-f", "web", "--format", "mermaid"], "but a diagram shows all events at once", ""],
    [["replay", "web", "--check", "--what-if", "x"], "cannot be used with option '--check'", ""],
    [["diff"], "missing required argument 'A'", ""],
  ])("%j cause an error and exit code 2, or 125 for run", (args, problem, help) => {
    const { status, stdout, stderr } = call(...args);
    expect(status).toBe(args[0] === "run" ? 125 : 2);
    expect(stdout).toBe("");
    expect(stderr).toContain(problem);
    expect(stderr).toContain(help);
    expect(stderr).not.toMatch(/\bat .*\.[jt]s:\d+/);
  });
});

describe("a word that is not a verb", () => {
  it.each([
    ["stp", "stop"],
    ["tup", "top"],
    ["kill", "stop"],
    ["Start", "run"],
    ["list", "ps"],
    ["rm", "clean"],
  ])("%s suggests %s, by meaning or spelling", (word, verb) => {
    expect(meantVerb(word, verbs)).toBe(verb);
  });

  it.each(["zebra", "strat"])("%s suggests nothing", (word) => {
    expect(meantVerb(word, verbs)).toBeUndefined();
  });
});

describe("a verb that fails", () => {
  it.each([
    [
      ["run", "/nowhere.hcl"],
      "JOB_INVALID: the job file cannot be read: /nowhere.hcl: no such file or directory\n",
    ],
    [["doctor", "--plan", "/nowhere.hcl"], "JOB_INVALID: the job file cannot be read"],
    [
      ["events", "--state-dir", "/nowhere"],
      "STORE_FAILED: there is no event log in /nowhere\nhint: Run a job first",
    ],
    [
      ["run", "--var-file", "/nowhere", "x.hcl"],
      "JOB_INVALID: the variable file cannot be read: /nowhere: no such",
    ],
    [["validate", "/tmp"], "JOB_INVALID: the job file cannot be read: /tmp: is a directory\n"],
    [["validate", "/dev/zero"], "JOB_INVALID: the job file is larger than 64 MiB: /dev/zero\n"],
    [["export", "--all", "web"], "CONFIG_INVALID: --all cannot be combined with names of tasks\n"],
    [
      ["inspect", "--listen", "203.0.113.1"],
      "UNSUPPORTED: the inspector cannot listen on 203.0.113.1:4650: address not available\n",
    ],
    [["signal", "web", "TREM"], 'SIGNAL_UNKNOWN: there is no signal "TREM"\nhint: Did you mean TERM?\n'],
    [
      ["stop", "web", "-s", "SIGNONE"],
      'SIGNAL_UNKNOWN: there is no signal "SIGNONE"\nhint: Use a name such as TERM, HUP, USR1 or RTMIN+3, or a number',
    ],
  ])("%j is reported with its code and exit code 1, or 125 for run", (args, message) => {
    const { status, stdout, stderr } = call(...args);
    expect(status).toBe(args[0] === "run" ? 125 : 1);
    expect(stdout).toBe("");
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\bat .*\.[jt]s:\d+/);
  });
});

it("shows no warnings from Node.js", () => {
  const warning = "data:text/javascript,setTimeout(() => process.emitWarning('for programmers'))";
  const { stderr } = spawnSync(process.execPath, ["--import", warning, sources, "help"], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
});

describe("version", () => {
  it("gives the versions and the architecture as JSON", () => {
    expect(JSON.parse(call("version", "--json").stdout)).toEqual({
      driver: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      node: process.versions.node,
      linux: expect.any(String),
      arch: process.arch,
    });
  });

  it("shows the versions of the driver, of its runtime and of the host", () => {
    expect(call("version").stdout).toMatch(
      /^nomad-driver-exec2 \d+\.\d+\.\d+\nNode\.js \d+\.\d+\.\d+\nLinux \S+ \w+\n$/,
    );
    expect(call("--version").stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
