/** Completions, tested with real shells. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { createProgram } from "../../../src/cli/cli.ts";
import { completionOf } from "../../../src/cli/reference/completions.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

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
  ["nothing where a value can be anything", `${name} events --last `, []],
];

for (const shell of ["bash", "fish"] as const) {
  describe(`${shell} completes`, () => {
    for (const [what, line, candidates] of completed) {
      it(what, (context) => {
        expect(shells[shell](context, line).sort()).toEqual(candidates);
      });
    }

    it("files for an argument that is a file", (context) => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, "web.nomad.hcl"), "");
      expect(shells[shell](context, `${name} run ${folder}/we`)).toEqual([`${folder}/web.nomad.hcl`]);
    });
  });
}

describe("zsh completes", () => {
  it.each([
    ["verbs", `${name} ev`, "events"],
    ["the options of a verb", `${name} run --plu`, "--plugin-config"],
    ["the choices of an option", `${name} inspect --listen x --po`, "--port"],
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
  return execFileSync(command, args, { encoding: "utf8" }).split("\n").filter(Boolean);
}
