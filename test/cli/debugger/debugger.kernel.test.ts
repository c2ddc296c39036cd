/** The view of a history on a real terminal, started by a real shell. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it, onTestFinished, type TestContext } from "vitest";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";
import { openTerminalSession, type TerminalSession } from "../../support/screen/terminalSession.ts";

const bundle = join(import.meta.dirname, "../../fixtures/histories/ends.jsonl");
const replay = `${process.execPath} ${programEntry} replay resists --state-dir ${bundle}`;
const size = { columns: 80, rows: 24 };

/** A shell in which the test types, and the test's files. */
interface Shell {
  readonly session: TerminalSession;
  readonly folder: string;
}

async function openShell(context: TestContext, env: Record<string, string> = {}): Promise<Shell> {
  requireTools(context, "script", "bash", "stty");
  const [session, folder] = [openTerminalSession(size, env), temporaryFolder()];
  session.type(`tty > ${folder}/tty; stty -g > ${folder}/before; echo "rea"dy\n`);
  await session.shows(/ready/);
  return { session, folder };
}

/** Expects that the view is gone, and that the terminal is as before. */
async function expectRestored({ session, folder }: Shell, code: number): Promise<void> {
  // Waits for the prompt, because the view would read earlier input.
  await session.shows(/shell> $/);
  session.type(`echo "co"de=$?; stty -g > ${folder}/after; echo "do"ne\n`);
  const lines = await session.shows(/\bdone\b/);
  expect(lines.join("\n")).toMatch(new RegExp(`^code=${code}$`, "m"));
  expect(readFileSync(`${folder}/after`, "utf8")).toBe(readFileSync(`${folder}/before`, "utf8"));
  const { written } = session;
  expect(written().lastIndexOf("\x1b[?25h")).toBeGreaterThan(written().lastIndexOf("\x1b[?25l"));
  expect(written().lastIndexOf("\x1b[?1049l")).toBeGreaterThan(written().lastIndexOf("\x1b[?1049h"));
}

/** Opens the view and sends its process a signal. */
async function signalled({ session, folder }: Shell, command: string, signal: NodeJS.Signals): Promise<void> {
  session.type(`sh -c 'echo $$ > ${folder}/pid; exec ${command}'\n`);
  await session.shows(/event 1 requested/);
  process.kill(Number(readFileSync(`${folder}/pid`, "utf8")), signal);
}

describe("the view on a terminal", () => {
  it("goes from step to step, and gives the terminal back", async (context) => {
    const shell = await openShell(context);
    const { session } = shell;
    session.type(`${replay}\n`);
    await session.shows(/event 1 requested/);
    session.type("jj");
    const third = await session.shows(/event 3 sandboxed {2}fingerprinted → sandboxed/);
    expect(third).toHaveLength(size.rows);
    expect(third.join("\n")).toMatch(/▸ +3 sandboxed +\+6 ms/);
    session.type("\x1b[B\x1b[B\x1b[A");
    await session.shows(/event 4 started/);
    session.type("e");
    await session.shows(/event 7 stopTimedOut.*killRun → forceKilled \(8\)/s);
    session.type(":state exited\r");
    await session.shows(/event 9 exited.*exit\.exitCode {2}137/s);
    session.type("bnonsense\r");
    await session.shows(/there is no value nonsense/);
    session.type("\x15break state:stopping\r");
    await session.shows(/breakpoint 1 stops at 1 of 10 events/);
    session.type("C");
    await session.shows(/breakpoint 1 at event 5/);
    session.type("x");
    await session.shows(/what if: the task still ends in destroyed/);
    session.type("?");
    await session.shows(/Going through the events/);
    session.type("qq");
    await expectRestored(shell, 0);
  });

  it("follows the terminal's size", async (context) => {
    const { session, folder } = await openShell(context);
    session.type(`${replay}\n`);
    await session.shows(/event 1 requested/);
    const terminal = readFileSync(`${folder}/tty`, "utf8").trim();
    spawnSync("stty", ["-F", terminal, "rows", "15", "cols", "60"]);
    expect(await session.shows(/^─{60}$/m)).toHaveLength(15);
  });

  it("is suspended by Ctrl-Z and resumes", async (context) => {
    const shell = await openShell(context);
    const { session } = shell;
    session.type(`${replay}\n`);
    await session.shows(/event 1 requested/);
    session.type("jj\x1a");
    await session.shows(/Stopped/);
    await expectRestored(shell, 148);
    session.type("fg\n");
    await session.shows(/event 3 sandboxed/);
    session.type("j");
    await session.shows(/event 4 started/);
    session.type("\x03");
    await expectRestored(shell, 0);
  });

  it("gives the terminal back when it is ended from outside", async (context) => {
    const shell = await openShell(context);
    await signalled(shell, replay, "SIGTERM");
    await expectRestored(shell, 0);
  });

  it("gives the terminal back when it fails by an error of its own", async (context) => {
    const shell = await openShell(context);
    const failing = `${shell.folder}/failing.mjs`;
    writeFileSync(failing, 'process.on("SIGUSR2", () => { throw new Error("boom"); });');
    await signalled(shell, `env NODE_OPTIONS=--import=${failing} ${replay}`, "SIGUSR2");
    await expectRestored(shell, 1);
    const [, afterwards] = shell.session.written().split("\x1b[?1049l");
    expect(stripVTControlCharacters(afterwards ?? "")).toMatch(/^error: boom$/m);
  });

  it("begins where a breakpoint stops, with edits, and without colours on request", async (context) => {
    const shell = await openShell(context, { NO_COLOR: "1" });
    const { session, folder } = shell;
    writeFileSync(`${folder}/edits.json`, '[{ "drop": 7 }]');
    session.type(`${replay} --break type:exited --what-if ${folder}/edits.json\n`);
    const lines = await session.shows(/event 8 exited/);
    expect(lines[0]).toContain("what if: 1 edit");
    for (const colour of ["\x1b[1m", "\x1b[7m", "\x1b[31m"]) expect(session.written()).not.toContain(colour);
    session.type("q");
    await expectRestored(shell, 0);
  });

  it("shows new events while it is open", async (context) => {
    const shell = await openShell(context);
    const { session, folder } = shell;
    const events = new RecordedLog().add("a/web/1", life("killed")).events("a/web/1");
    const store = await openEventStore(stateFolderPaths(folder).events);
    onTestFinished(() => store.close());
    await store.append("a/web/1", 0, events.slice(0, 4));
    session.type(`${process.execPath} ${programEntry} replay web --state-dir ${folder}\n`);
    await session.shows(/live.*event 1 requested.*1\/4/s);
    await store.append("a/web/1", 4, events.slice(4, 6));
    await session.shows(/event 1 requested.*1\/6/s);
    session.type("F");
    await session.shows(/event 6 signalled.*following/s);
    await store.append("a/web/1", 6, events.slice(6));
    await session.shows(/event 10 destroyed.*10\/10/s);
    session.type("q");
    await expectRestored(shell, 0);
  });

  it("does not open for plain output, or with a wrong breakpoint", async (context) => {
    const { session } = await openShell(context);
    session.type(`${replay} --plain --break state:killing; echo "do"ne\n`);
    const text = (await session.shows(/done/)).join("\n");
    expect(text).toMatch(/ 7 {2}stopTimedOut {2}stopping → killing/);
    expect(text).not.toContain("sandboxed");
    session.type(`${replay} --break state:kiling; echo "co"de=$?\n`);
    await session.shows(/EXPRESSION_INVALID: there is no state "kiling".*Did you mean killing\?.*code=1/s);
    expect(session.written()).not.toContain("\x1b[?1049h");
  });
});
