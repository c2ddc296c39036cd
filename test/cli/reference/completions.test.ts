/** Completions, tested with real shells. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it, type TestContext } from "vitest";
import { createProgram } from "../../../src/cli/cli.ts";
import { completionOf } from "../../../src/cli/reference/completions.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/** A program in PATH that lists a running task, one with a hostile name, and an ended task. */
const programs = mkdtempSync(join(tmpdir(), "exec2-completions-"));
afterAll(() => rmSync(programs, { recursive: true }));
const running = "6f2d4a9e/web\n91c07b3d/x$(touch pwned)\n";
const listed = `#!/bin/sh
case "$*" in
  "ps -q") cat "\${0%/*}/running" ;;
  "ps -aq --last 100") cat "\${0%/*}/running"; echo 0b0ff9d5/old ;;
esac
`;
writeFileSync(join(programs, "running"), running);
writeFileSync(join(programs, "nomad-driver-exec2"), listed, { mode: 0o755 });

const program = createProgram(() => {});
const name = "nomad-driver-exec2";

/** Each shell's candidates for the last word of a line. */
const shells = {
  bash: (context: TestContext, line: string) => {
    requireTools(context, "bash");
    const script = `source ${scriptFile("bash")}
      compopt() { :; }
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
      _nomad_driver_exec2
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    return lines("bash", ["--norc", "-c", script, "bash", ...line.split(" ")]);
  },
  fish: (context: TestContext, line: string) => {
    requireTools(context, "fish");
    const script = `source ${scriptFile("fish")}; complete -C '${line}'`;
    return lines("fish", ["--no-config", "-c", script]).map((candidate) => candidate.split("\t")[0] ?? "");
  },
};

const completed: [what: string, line: string, candidates: string[]][] = [
  ["verbs", `${name} ev`, ["events"]],
  ["verbs after help", `${name} help do`, ["doctor"]],
  ["the options of a verb", `${name} run --plu`, ["--plugin-config"]],
  ["the choices of an option", `${name} events --format js`, ["json", "jsonl"]],
  ["the choices of an argument", `${name} completion z`, ["zsh"]],
  ["names of the plugin's options", `${name} run -o unveil_b`, ["unveil_by_task="]],
  ["no names of them for other assignments", `${name} run --var unveil_b`, []],
  ["signals", `${name} signal web SIGUS`, ["SIGUSR1", "SIGUSR2"]],
  ["signals of an option", `${name} stop --signal QUI`, ["QUIT"]],
  ["nothing where a value can be anything", `${name} events --last `, []],
];

const tasks: typeof completed = [
  ["running tasks, by both of their names", "stop we", ["web"]],
  ["running tasks by their allocations", "exec 6f2", ["6f2d4a9e/web"]],
  ["ended tasks, too", "why o", ["old"]],
  ["tasks after an option", "logs --follow we", ["web"]],
];

for (const shell of ["bash", "fish"] as const) {
  describe(`${shell} completes`, () => {
    for (const [what, line, candidates] of completed) {
      it(what, (context) => {
        expect(shells[shell](context, line).sort()).toEqual(candidates);
      });
    }

    for (const [what, line, candidates] of tasks) {
      it(what, (context) => {
        expect(shells[shell](context, `${name} ${line}`)).toEqual(candidates);
      });
    }

    it("files for an argument that is a file", (context) => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, "web.nomad.hcl"), "");
      expect(shells[shell](context, `${name} run ${folder}/we`)).toEqual([`${folder}/web.nomad.hcl`]);
    });
  });
}

it("bash writes no space after the name of an option of the plugin, but after other words", (context) => {
  requireTools(context, "bash");
  const options = (word: string) =>
    lines("bash", [
      ...["--norc", "-c"],
      `source ${scriptFile("bash")}
      compopt() { echo "$*"; }
      COMP_WORDS=(${name} run ${word}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _nomad_driver_exec2`,
    ]);
  expect(options("-o unveil_b")).toEqual(["-o nospace"]);
  expect(options("--plu")).toEqual([]);
});

it("a task's name is no command of the completing shell", (context) => {
  expect(shells.bash(context, `${name} stop x`)).toEqual([String.raw`x\$\(touch\ pwned\)`]);
  expect(shells.fish(context, `${name} stop x`)).toHaveLength(1);
  expect(existsSync(join(programs, "pwned"))).toBe(false);
});

describe("zsh completes", () => {
  it.each([
    ["verbs", `${name} ev`, "events"],
    ["the options of a verb", `${name} run --plu`, "--plugin-config"],
    ["the choices of an option", `${name} inspect --listen x --po`, "--port"],
    ["running tasks", `${name} stop 6f`, "6f2d4a9e/web"],
    ["ended tasks", `${name} why ol`, "why old"],
    ["signals", `${name} signal web SIGWIN`, "SIGWINCH"],
    ["names of the plugin's options", `${name} run -o unveil_b`, "unveil_by_task="],
  ])("%s", (_what, line, expected) => {
    expect(completedByZsh(line, expected)).toBe(true);
  });

  it("the same if its script is read with source", () => {
    expect(completedByZsh(`${name} ev`, "events", (file) => `compinit -D -u; source ${file}`)).toBe(true);
  });
});

/**
 * Only an interactive shell completes lines, so one zsh controls another through a pseudo-terminal
 * (zsh/zpty).
 * @param load loads the completions from a file
 */
function completedByZsh(
  line: string,
  expected: string,
  load = (file: string) => `fpath=(${dirname(file)} $fpath); compinit -D -u`,
): boolean {
  const folder = temporaryFolder();
  writeFileSync(join(folder, `_${name}`), completionOf(program, "zsh"));
  const script = `zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell "PROMPT=; autoload -Uz compinit; ${load(join(folder, `_${name}`))}; stty cols 200"
    zpty -w shell 'echo rea""dy'; zpty -r shell seen '*ready*' || exit
    zpty -w -n shell $'${line}\t'
    zpty -r shell seen '*${expected}*' && print found`;
  return lines("timeout", ["20", "zsh", "-f", "-c", script]).includes("found");
}

function scriptFile(shell: "bash" | "fish"): string {
  const path = join(temporaryFolder(), "completion");
  writeFileSync(path, completionOf(program, shell));
  return path;
}

function lines(command: string, args: readonly string[]): string[] {
  const env = { ...process.env, PATH: `${programs}:${process.env.PATH}` };
  return execFileSync(command, args, { encoding: "utf8", cwd: programs, env }).split("\n").filter(Boolean);
}
