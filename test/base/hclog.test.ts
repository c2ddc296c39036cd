import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createLogger, formatLine, stackOf } from "../../src/base/hclog.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

const time = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678));

describe("a line", () => {
  test("has the format that hclog writes", () => {
    expect(formatLine("warn", "exec2.store", "slow disk", time, { ms: 12, code: "X" })).toBe(
      '{"ms":12,"code":"X","@level":"warn","@message":"slow disk","@module":"exec2.store","@timestamp":"2026-01-02T03:04:05.678000Z"}\n',
    );
  });

  test("of a task names its allocation and the task as the agent's own lines do", () => {
    const fieldsOf = (task_id: string) => JSON.parse(formatLine("warn", "exec2", "", time, { task_id }));
    expect(fieldsOf("a/web/0123abcd")).toMatchObject({
      task_id: "a/web/0123abcd",
      alloc_id: "a",
      task_name: "web",
    });
    for (const odd of ["web", "a/web", "//", "a/b/c/d", ""]) {
      expect(fieldsOf(odd)).not.toHaveProperty("alloc_id");
    }
  });

  test("cannot be split or forged by its text", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.dictionary(fc.string(), fc.string()),
        (message, fields) => {
          const line = formatLine("info", "exec2", message, time, { ...fields, "@level": "error" });
          expect(line.indexOf("\n")).toBe(line.length - 1);
          expect(JSON.parse(line)).toMatchObject({ "@level": "info", "@message": message.toWellFormed() });
        },
      ),
    );
  });
});

describe("a logger", () => {
  test("writes its lines and those of its child loggers in order", async () => {
    const { path, fd } = temporaryFile();
    const log = createLogger("exec2", fd);
    log.info("first");
    log.child("store").error("second", { code: "STORE_FAILED" });
    await log.flush();
    const lines = readFileSync(path, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { "@level": "info", "@message": "first", "@module": "exec2" },
      { "@level": "error", "@message": "second", "@module": "exec2.store", code: "STORE_FAILED" },
    ]);
  });

  test("survives the end of its reader", async () => {
    const { reader, writer } = temporaryPipe();
    const log = createLogger("exec2", writer);
    log.info("read by someone");
    await log.flush();
    closeSync(reader);
    for (let count = 0; count < 100; count += 1) log.info("read by no one");
    await expect(log.flush()).resolves.toBeUndefined();
    log.info("nor this");
    await expect(log.flush()).resolves.toBeUndefined();
  });

  test("does not wait for a reader that hangs, drops lines, and logs how many", async () => {
    const { reader, writer } = temporaryPipe();
    const log = createLogger("exec2", writer);
    const written = 5_000;
    for (let count = 0; count < written; count += 1) log.info("x".repeat(1_000));
    const reading = entriesUntil("last", new Socket({ fd: reader, writable: false }));
    await log.flush();
    log.info("last");
    const entries = await reading;
    const reports = entries.filter((entry) => entry["@level"] === "warn");
    expect(reports).toEqual([expect.objectContaining({ count: expect.any(Number) })]);
    expect(reports[0]?.count).toBeGreaterThan(0);
    expect(entries.length - reports.length + Number(reports[0]?.count)).toBe(written);
  });
});

async function entriesUntil(message: string, input: Socket): Promise<Record<string, unknown>[]> {
  const entries: Record<string, unknown>[] = [];
  for await (const line of createInterface({ input })) {
    const entry = JSON.parse(line);
    if (entry["@message"] === message) break;
    entries.push(entry);
  }
  return entries;
}

test("anything thrown has a text", () => {
  expect(stackOf(new TypeError("odd"))).toContain("TypeError: odd");
  expect(stackOf({ toString: 1 })).toBe("{ toString: 1 }");
});

function temporaryFile() {
  const path = join(temporaryFolder(), "log");
  return { path, fd: openSync(path, "w") };
}

/** The descriptors of both ends of a pipe. */
function temporaryPipe() {
  const path = join(temporaryFolder(), "fifo");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { reader, writer: openSync(path, constants.O_WRONLY) };
}
