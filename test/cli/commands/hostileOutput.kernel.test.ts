/** What a task prints controls the terminal of `run` and `logs` no more than by colours. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";
import { shellJob, start } from "../../support/screen/commandLine.ts";
import { openTerminalSession } from "../../support/screen/terminalSession.ts";

/** Prints a character that reverses text, a title, the clipboard, a report of the cursor, a movement, a return, and a colour. */
const script =
  "printf '\\342\\200\\256\\033]0;owned\\007\\033]52;c;b3duZWQ=\\007\\033[6n\\033[2J\\033[1Aone\\rtwo\\n\\033[31mred\\nred\\n' | tee /dev/stderr; echo up";
const printed =
  "\u202e\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[6n\x1b[2J\x1b[1Aone\rtwo\n\x1b[31mred\nred\n";
const program = `${process.execPath} ${programEntry}`;

/** The output as a terminal gets it. */
const shown = "\ufffdone\r\ntwo\r\n\x1b[31mred\x1b[0m\r\n\x1b[31mred\x1b[0m\r\n";
const hostile = ["\u202e", "owned", "b3duZWQ=", "\x1b[6n", "\x1b[2J", "\x1b[1A", "one\rtwo"];

it("logs shows text and colours on a terminal, and passes all bytes to pipes and files", async () => {
  const stateDir = temporaryFolder();
  const file = join(temporaryFolder(), "output");
  const run = start(["run", "--state-dir", stateDir, shellJob(`${script}; exec sleep 1000`)]);
  expect(await run.seen("up\n")).toBe(`${printed}up\n`);
  const terminal = openTerminalSession({ columns: 300, rows: 30 });
  terminal.type(`${program} logs --state-dir ${stateDir} task --stdout > ${file}\n`);
  terminal.type(`${program} logs --state-dir ${stateDir} task; echo logs e''nded\n`);
  await terminal.shows(/^logs ended$/m);
  expect(readFileSync(file, "utf8")).toBe(`${printed}up\n`);
  for (const part of hostile) expect(terminal.written()).not.toContain(part);
  expect(terminal.written()).toContain(shown);
  terminal.type(`${program} logs --raw --state-dir ${stateDir} task --stdout; echo raw e''nded\n`);
  await terminal.shows(/^raw ended$/m);
  for (const part of hostile) expect(terminal.written()).toContain(part);
});

it("run shows text and colours on a terminal", async () => {
  const terminal = openTerminalSession({ columns: 300, rows: 30 });
  terminal.type(`${program} run --state-dir ${temporaryFolder()} ${shellJob(script)}; echo run e''nded\n`);
  await terminal.shows(/^run ended$/m);
  for (const part of hostile) expect(terminal.written()).not.toContain(part);
  expect(stripVTControlCharacters(terminal.written())).toContain("task ! red\r\ntask ! red\r\n");
});

it("run --raw passes all bytes to a terminal", async () => {
  const terminal = openTerminalSession({ columns: 300, rows: 30 });
  const job = shellJob("printf '\\342\\200\\256\\033]0;wanted\\007'");
  terminal.type(`${program} run --raw --state-dir ${temporaryFolder()} ${job}; echo run e''nded\n`);
  await terminal.shows(/^run ended$/m);
  expect(terminal.written()).toContain("\x1b]0;wanted\x07");
});
