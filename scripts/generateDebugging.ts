/**
 * Updates the program's output in docs/debugging.md, from the histories in docs/histories that
 * the page names:
 *
 *     <!-- histories/denied.jsonl -->      the commands that follow read this bundle
 *     ```console                           a line that begins with "$ " is a command; its output follows
 *     <!-- $ nomad-driver-exec2 … -->      the diagram that follows is this command's output
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const root = join(import.meta.dirname, "..");
/** Columns of the terminal that commands write to. */
const columns = 110;

const blocks =
  /<!-- histories\/(?<bundle>\S+) -->|(?<=```console\n)(?<commands>[^`]+)(?=```)|<!-- \$ (?<command>.+) -->\n```mermaid\n[^`]*```/g;

/** The page with the current output of the program. */
export function renewPage(page: string): string {
  const folder = mkdtempSync(join(tmpdir(), "exec2-page-"));
  const program = join(folder, "nomad-driver-exec2");
  try {
    return page.replaceAll(blocks, (text, ...rest) => {
      const { bundle, commands, command } = rest.at(-1) as Readonly<Record<string, string | undefined>>;
      if (bundle !== undefined) writeProgram(program, bundle);
      if (commands !== undefined) return renewCommands(commands, folder);
      if (command === undefined) return text;
      return `<!-- $ ${command} -->\n${outputOf(command, folder)}`.trimEnd();
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function renewCommands(block: string, folder: string): string {
  const commands = block.split("\n").filter((line) => line.startsWith("$ "));
  return commands.map((line) => `${line}\n${outputOf(line.slice(2), folder)}`).join("\n");
}

/** Writes a script that runs this checkout's program with a bundle as its state_dir. */
function writeProgram(path: string, bundle: string): void {
  const words = [process.execPath, join(root, "src/main.ts")].map((word) => `'${word}'`).join(" ");
  const stateDir = join(root, "docs/histories", bundle);
  writeFileSync(path, `#!/bin/sh\nexec ${words} "$@" --state-dir '${stateDir}'\n`);
  chmodSync(path, 0o700);
}

/** Runs a command in a shell, on a terminal from script(1), without colours. Returns the output. */
function outputOf(command: string, folder: string): string {
  const path = [folder, process.env.PATH].join(delimiter);
  const env = {
    PATH: path,
    TZ: "UTC",
    NO_COLOR: "1",
    TERM: "xterm",
    LC_ALL: "C.UTF-8",
    SHELL: "/bin/sh",
    // The program runs some twenty times.
    NODE_COMPILE_CACHE: join(root, "node_modules/.cache/compiled"),
  };
  const shown = execFileSync("script", ["-qc", `stty cols ${columns}; ${command}`, "/dev/null"], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return shown.replaceAll("\r\n", "\n");
}

if (import.meta.main) {
  const page = join(root, "docs/debugging.md");
  writeFileSync(page, renewPage(readFileSync(page, "utf8")));
}
