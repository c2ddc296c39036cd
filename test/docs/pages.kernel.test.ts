/**
 * Runs the commands of pages, block by block, in a host without histories, and compares what they print with what the
 * page shows. blocks.test.ts knows which page is run by which test. The pages are run one after another, because the
 * inspector has a port of its own.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { requireTools } from "../support/host/requireTools.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { blocksOf, textOf } from "../support/pages/blocks.ts";
import { compileCache, programEntry } from "../support/plugin/pluginEntry.ts";
import { startCollector } from "../support/traces/collector.ts";

const root = join(import.meta.dirname, "../..");

/**
 * Beginning of the shell's script, which needs a mount namespace of its own. The folders that are empty to it may have
 * the checkout in them, which it needs.
 */
const emptyFolders = `mount --rbind "$CHECKOUT" "$KEPT" || exit
mount -t tmpfs none /var/lib && mount -t tmpfs none /srv || exit
mkdir -p "$CHECKOUT" && mount --rbind "$KEPT" "$CHECKOUT" || exit
`;

/** Runs the lines that it reads, and prints exit code, line and output of each. What goes on until it is interrupted is ended. */
const typed = `${emptyFolders}trap 'kill $(jobs -p) 2> /dev/null' EXIT
. ./before > before.log 2>&1
while IFS= read -r line; do
  case $line in
    *" inspect"* | *"logs -f"*) called="timeout 3 $line" ;;
    *) called=$line ;;
  esac
  eval "$called" < /dev/null > printed 2> errors
  printf '%s\\0%s\\0%s\\0%s\\0' $? "$line" "$(cat printed)" "$(cat errors)"
done
nomad-driver-exec2 stop web > /dev/null 2>&1
wait`;

/** The shell's environment, in which nomad-driver-exec2 is installed. */
function newHostEnv(): NodeJS.ProcessEnv {
  const [programs, kept] = [temporaryFolder(), temporaryFolder()];
  const program = `#!/bin/sh\nexec ${process.execPath} ${programEntry} "$@"\n`;
  writeFileSync(join(programs, "nomad-driver-exec2"), program, { mode: 0o755 });
  return {
    ...{ CHECKOUT: root, KEPT: kept },
    ...{ PATH: `${programs}:${process.env.PATH}`, NODE_COMPILE_CACHE: compileCache },
  };
}

interface Ran {
  readonly code: number;
  readonly line: string;
  readonly printed: string;
  readonly errors: string;
}

/** @param before a script that comes before the lines, with the page's own files around it */
async function typeLines(
  lines: readonly string[],
  before: string,
  files: Readonly<Record<string, string>>,
): Promise<Ran[]> {
  const folder = temporaryFolder("/var/tmp");
  for (const [name, text] of Object.entries({ before, ...files })) writeFileSync(join(folder, name), text);
  const shell = spawn("unshare", ["--mount", "bash", "--norc", "-c", typed], {
    cwd: folder,
    env: { ...newHostEnv(), NO_COLOR: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void shell.kill());
  shell.stdin.end(lines.map((line) => `${line}\n`).join(""));
  const chunks: Buffer[] = [];
  shell.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(shell, "close");
  const words = Buffer.concat(chunks).toString().split("\0");
  return Array.from({ length: Math.floor(words.length / 4) }, (_, index) => {
    const [code, line = "", printed = "", errors = ""] = words.slice(4 * index);
    return { code: Number(code), line, printed, errors };
  });
}

/** The commands of a page that no mark leaves out. */
function linesOf(page: string): string[] {
  const blocks = blocksOf(page).filter(({ notRun }) => notRun === undefined);
  const commands = blocks.flatMap(({ language, text }) => {
    const lines = text.trimEnd().split("\n");
    if (language === "sh") return lines;
    return language === "console"
      ? lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2))
      : [];
  });
  expect(commands.length).toBeGreaterThan(0);
  return commands;
}

/** Whether what was printed is what a page shows: `…` is any text, and times may differ. */
function isShown(shown: string, printed: string): boolean {
  const literal = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const pattern = shown
    .trimEnd()
    .split("…")
    .map((part) => literal(part).replaceAll(/\d+ ms/g, "[\\d.]+ m?s"))
    .join("[^]*");
  return new RegExp(`^${pattern}$`).test(printed.trimEnd());
}

/** The output that a page's consoles show, by command. */
function shownOn(page: string): Map<string, string> {
  const consoles = blocksOf(page).filter(({ language }) => language === "console");
  return new Map(
    consoles.flatMap(({ text }) =>
      text
        .split(/^\$ /m)
        .slice(1)
        .map((each): [string, string] => {
          const end = each.indexOf("\n");
          return [each.slice(0, end), each.slice(end + 1)];
        }),
    ),
  );
}

const job = (task: string, config: string) => `job "${task}" {
  type = "batch"
  group "${task}" {
    task "${task}" {
      driver = "exec2"
      config {
        ${config}
      }
    }
  }
}
`;
const untilStopped = job(
  "web",
  `command = "sh"
   args    = ["-c", "trap '' HUP; echo kept > local/core.7; echo ready; exec sleep 100000"]`,
);
const short = job("web", 'command = "true"');
const runs = `nomad-driver-exec2 run web.nomad.hcl &
until nomad-driver-exec2 logs web | grep -q ready; do kill -0 $! || exit; sleep 0.1; done
`;

/** Whether a page's commands end as expected: with 0, or with what is given for a text of the line. */
async function expectPage(
  page: string,
  before: string,
  files: Readonly<Record<string, string>>,
  codes: Readonly<Record<string, number>> = {},
  edit: (line: string) => string = (line) => line,
): Promise<void> {
  const lines = linesOf(page).map(edit);
  const ran = await typeLines(lines, before, files);
  const codeOf = (line: string) => Object.entries(codes).find(([part]) => line.includes(part))?.[1] ?? 0;
  const failed = ran.filter(({ code, line }) => code !== codeOf(line));
  expect(failed).toEqual([]);
  expect(ran.map(({ line }) => line)).toEqual(lines);
  const shown = shownOn(page);
  const differing = ran.filter(({ line, printed }) => {
    const output = shown.get(line);
    return output !== undefined && !isShown(output, printed);
  });
  expect(differing).toEqual([]);
}

test("observing.md", async () => {
  const collector = await startCollector();
  const { host } = new URL(collector.address);
  const edit = (line: string) => line.replace("localhost:4318", host);
  await expectPage("docs/observing.md", runs, { "web.nomad.hcl": untilStopped }, {}, edit);
});

test("run.md", async () => {
  await expectPage("docs/run.md", runs, { "web.nomad.hcl": untilStopped }, { "logs -f": 124, "wait ": 130 });
});

test("inspector.md", async () => {
  const before = "nomad-driver-exec2 run web.nomad.hcl; nomad-driver-exec2 export web > bundle.jsonl";
  await expectPage("docs/inspector.md", before, { "web.nomad.hcl": short }, { inspect: 124 });
});

test("security.md", async () => {
  const limited = untilStopped.replace("command", "connect_tcp = [443]\n command");
  await expectPage("docs/security.md", runs, { "web.nomad.hcl": limited }, { " read ": 1 });
});

test("egress.md", async (context) => {
  requireTools(context, "curl");
  const config = `command = "curl"
    args   = ["-s", "https://198.51.100.7"]
    egress = ["10.0.0.0/8:5432"]`;
  const before = "nomad-driver-exec2 run api.nomad.hcl";
  await expectPage("docs/egress.md", before, { "api.nomad.hcl": job("api", config) });
});

test("learn.md", async () => {
  const files = { "web.nomad.hcl": job("web", 'command = "cat"\n args = ["/etc/debian_version"]') };
  await expectPage("docs/learn.md", "", files);
});

test("replay.md", async (context) => {
  requireTools(context, "openssl");
  const before = `for file in web web db; do nomad-driver-exec2 run $file.nomad.hcl; done
    for file in bundle good old new; do nomad-driver-exec2 export web > $file.jsonl; done
    ids=($(nomad-driver-exec2 ps --all -q))`;
  const files = {
    "web.nomad.hcl": short,
    "db.nomad.hcl": job("db", 'command = "true"'),
    "client.hcl": "unveil_by_task = true\n",
  };
  const edit = (line: string) => line.replace("6f2d4a9e 91c07b3d", `"\${ids[1]}" "\${ids[2]}"`);
  await expectPage("docs/replay.md", before, files, {}, edit);
});

/** Runs each line as a person types it, and prints its exit code. A task in the background is waited for. */
const typedInOrder = `${emptyFolders}while IFS= read -r line; do
  case $line in
    *" & "*)
      eval "$line"
      for _ in $(seq 300); do
        if [ -n "$(nomad-driver-exec2 ps -q)" ]; then break; fi
        sleep 0.1
      done ;;
    *inspect*) eval "timeout 3 $line" < /dev/null > /dev/null; echo "ended $? $line" ;;
    *) eval "$line" < /dev/null > /dev/null; echo "ended $? $line" ;;
  esac
done
wait`;

test("README.md", { timeout: 180_000 }, () => {
  const [, list = ""] = /^npm run build\nPATH=[^\n]*\n(.*?)^```$/ms.exec(textOf("README.md")) ?? [];
  const options = { cwd: root, input: list, env: newHostEnv(), encoding: "utf8" } as const;
  const { stdout, stderr } = spawnSync("unshare", ["--mount", "bash", "--norc", "-c", typedInOrder], options);
  const ended = stdout.split("\n").filter((line) => line.startsWith("ended "));
  const lines = list.trimEnd().split("\n");
  expect(lines.length).toBeGreaterThan(12);
  /** Until it is interrupted. */
  const serves = (line: string) => line.includes(" inspect ");
  const expected = lines
    .filter((line) => !line.includes(" & "))
    .map((line) => `ended ${serves(line) ? 124 : 0} ${line}`);
  const differing = ended.filter((line) => !expected.includes(line));
  expect(ended, `${differing.join("; ")}\n${stdout}\n${stderr}`).toEqual(expected);
});
