import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { journalSocket } from "../../../src/effects/logs/journal.ts";
import { connectJournal } from "../../../src/effects/logs/journalSocket.ts";

const receiver = fileURLToPath(new URL("../../fixtures/journalReceiver.py", import.meta.url));

it("says who sends, also before the journal has asked for it, because it would not believe the unit", async () => {
  const namespace = `exec2-${randomBytes(4).toString("hex")}`;
  const path = journalSocket(namespace);
  mkdirSync(dirname(path), { recursive: true });
  onTestFinished(() => rmSync(dirname(path), { recursive: true }));
  const child = spawn("python3", [receiver, path]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;

  expect(await line()).toBe("listening");
  const stream = connectJournal({ identifier: "job.main", namespace }, "/nomad.slice/a.main.scope");
  try {
    expect(await line()).toBe("accepted");
    writeSync(stream, "heard\n");
    child.stdin.write("go\n");
    const sent = (text: string) => `${process.pid} 0 ${`'${text.replaceAll("\n", "\\n")}'`}`;
    expect(await line()).toBe(sent("job.main\na.main.scope\n6\n0\n0\n0\n0\nheard\n"));
  } finally {
    closeSync(stream);
  }
});
