import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  closeSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { DriverError } from "../../../src/base/errors.ts";
import { logStartError, openLogPipe } from "../../../src/effects/logs/logPipes.ts";
import { errorOf } from "../../support/errors.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const owner = { uid: 65534, gid: 65534 };
const noFollow = constants.O_RDONLY | constants.O_NONBLOCK;
let allocDir: string;
let logs: string;
let pipe: string;

beforeEach(() => {
  allocDir = temporaryFolder();
  logs = `${allocDir}/alloc/logs`;
  pipe = `${logs}/.main.stdout.fifo`;
  mkdirSync(logs, { recursive: true });
});

function makeFifo(path: string): void {
  execFileSync("mkfifo", ["-m", "600", path]);
}

/** Opens a pipe like the agent's log collector, without waiting for a writer. */
function readEnd(path: string): number {
  const reader = openSync(path, noFollow);
  onTestFinished(() => closeSync(reader));
  return reader;
}

function opened(path = pipe): number {
  const descriptor = openLogPipe(path, allocDir, owner);
  onTestFinished(() => closeSync(descriptor));
  return descriptor;
}

/** Octal status flags of one of this process's descriptors: proc_pid_fdinfo(5). */
function flagsOf(descriptor: number): number {
  const text = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1];
  return Number.parseInt(text ?? "", 8);
}

describe("a FIFO with a reader", () => {
  it("is opened for writing, blocking and close-on-exec, and becomes the property of the task's user", () => {
    makeFifo(pipe);
    const reader = readEnd(pipe);
    const descriptor = opened();
    writeSync(descriptor, "hello\n");
    const buffer = Buffer.alloc(16);
    expect(buffer.toString("utf8", 0, readSync(reader, buffer))).toBe("hello\n");
    const flags = flagsOf(descriptor);
    expect(flags & constants.O_NONBLOCK).toBe(0);
    expect(flags & 0o3).toBe(constants.O_WRONLY);
    expect(flags & 0o2000000).not.toBe(0);
    expect(statSync(pipe)).toMatchObject(owner);
  });

  it("leaves no other descriptor behind", () => {
    makeFifo(pipe);
    readEnd(pipe);
    const before = openDescriptors();
    closeSync(openLogPipe(pipe, allocDir, owner));
    expect(openDescriptors()).toEqual(before);
  });

  it("may serve as both standard output and standard error", () => {
    makeFifo(pipe);
    readEnd(pipe);
    expect(opened()).not.toBe(opened());
  });

  it("may belong to the task already, from an earlier start", () => {
    makeFifo(pipe);
    chownSync(pipe, owner.uid, owner.gid);
    readEnd(pipe);
    opened();
    expect(statSync(pipe)).toMatchObject(owner);
  });

  it("of another user is refused: the task would own it, and that user would read the output", () => {
    makeFifo(pipe);
    chownSync(pipe, 65533, 65533);
    readEnd(pipe);
    expect(errorOf(() => openLogPipe(pipe, allocDir, owner))).toMatchObject({
      code: "LOG_PIPE_UNSAFE",
      message: expect.stringContaining("it belongs to user 65533"),
    });
    expect(statSync(pipe)).toMatchObject({ uid: 65533, gid: 65533 });
  });

  it("can be opened again by the task's user, as programs do with /dev/stdout", () => {
    makeFifo(pipe);
    const reader = readEnd(pipe);
    const script = "echo once > /dev/stdout; echo twice > /dev/fd/1";
    execFileSync("/bin/sh", ["-c", script], { stdio: ["ignore", opened(), "inherit"], ...owner });
    const buffer = Buffer.alloc(64);
    expect(buffer.toString("utf8", 0, readSync(reader, buffer))).toBe("once\ntwice\n");
  });
});

describe("disabled logs", () => {
  it("are /dev/null, which stays root's", () => {
    const before = statSync("/dev/null");
    const descriptor = opened("/dev/null");
    expect(fstatSync(descriptor).rdev).toBe(before.rdev);
    expect(flagsOf(descriptor) & 0o3).toBe(constants.O_WRONLY);
    expect(statSync("/dev/null")).toMatchObject({ uid: before.uid, gid: before.gid, mode: before.mode });
  });
});

describe("a missing reader", () => {
  it("is a recoverable error, and does not change the FIFO", () => {
    makeFifo(pipe);
    const error = errorOf(() => openLogPipe(pipe, allocDir, owner));
    expect(error).toMatchObject({
      code: "LOG_PIPE_NO_READER",
      recoverable: true,
      failed: { errno: "ENXIO", path: pipe },
    });
    expect(statSync(pipe).uid).toBe(0);
  });

  it("is also a recoverable error without a FIFO, as after a reboot", () => {
    const error = errorOf(() => openLogPipe(pipe, allocDir, owner));
    expect(error).toMatchObject({
      code: "LOG_PIPE_NO_READER",
      recoverable: true,
      failed: { errno: "ENOENT", path: pipe },
    });
  });
});

describe("in the FIFO's place the driver refuses", () => {
  /** A pipe of another user outside of the allocation, with a reader. */
  function victim(): string {
    const path = `${temporaryFolder()}/victim`;
    makeFifo(path);
    readEnd(path);
    return path;
  }

  function expectUnsafe(path = pipe): void {
    const error = errorOf(() => openLogPipe(path, allocDir, owner));
    expect(error).toMatchObject({ code: "LOG_PIPE_UNSAFE", recoverable: false });
    expect(error.message).toContain(path);
  }

  it("a symlink to another pipe", () => {
    const other = victim();
    symlinkSync(other, pipe);
    expectUnsafe();
    expect(statSync(other).uid).toBe(0);
  });

  it("a symlink to a pipe of the same folder", () => {
    makeFifo(`${logs}/other`);
    readEnd(`${logs}/other`);
    symlinkSync("other", pipe);
    expectUnsafe();
    expect(statSync(`${logs}/other`).uid).toBe(0);
  });

  it("a symlink to /dev/null, which would be chowned", () => {
    symlinkSync("/dev/null", pipe);
    expectUnsafe();
    expect(statSync("/dev/null").uid).toBe(0);
  });

  it("a symlink as the logs folder", () => {
    const elsewhere = temporaryFolder();
    makeFifo(`${elsewhere}/.main.stdout.fifo`);
    readEnd(`${elsewhere}/.main.stdout.fifo`);
    rmSync(logs, { recursive: true });
    symlinkSync(elsewhere, logs);
    expectUnsafe();
    expect(statSync(`${elsewhere}/.main.stdout.fifo`).uid).toBe(0);
  });

  it("a symlink as the alloc folder", () => {
    makeFifo(pipe);
    readEnd(pipe);
    renameSync(`${allocDir}/alloc`, `${allocDir}/moved`);
    symlinkSync("moved", `${allocDir}/alloc`);
    expectUnsafe();
  });

  it("a file instead of the logs folder", () => {
    rmSync(logs, { recursive: true });
    writeFileSync(logs, "");
    expectUnsafe();
  });

  it("a regular file", () => {
    writeFileSync(pipe, "kept");
    expectUnsafe();
    expect(readFileSync(pipe, "utf8")).toBe("kept");
    expect(statSync(pipe).uid).toBe(0);
  });

  it("a folder", () => {
    mkdirSync(pipe);
    expectUnsafe();
  });

  it("a socket, which is not mistaken for a pipe without a reader", async () => {
    const server = createServer().listen(pipe);
    onTestFinished(() => void server.close());
    await once(server, "listening");
    expectUnsafe();
  });

  it("a device", () => {
    execFileSync("mknod", [pipe, "c", "1", "3"]);
    expectUnsafe();
  });

  it("a hard link to another user's pipe", () => {
    const other = `${allocDir}/other`;
    makeFifo(other);
    readEnd(other);
    linkSync(other, pipe);
    expectUnsafe();
    expect(statSync(other).uid).toBe(0);
  });

  it.each(["/etc/passwd", "/dev/full", "/dev/../dev/null", "relative"])("the path %s", (path) => {
    expectUnsafe(path);
  });

  it("the path of the folder itself, or a path out of the folder", () => {
    expectUnsafe(allocDir);
    expectUnsafe(`${allocDir}/..`);
    expectUnsafe(`${allocDir}/alloc/../../x`);
    expectUnsafe(`${allocDir}-other/alloc/logs/x`);
  });

  it("a path that changes while it is opened: no other pipe is ever touched", async () => {
    const other = victim();
    symlinkSync(other, `${logs}/bad`);
    const swap =
      "while :; do mkfifo turn; mv -f turn .main.stdout.fifo; cp -Pf bad turn; mv -f turn .main.stdout.fifo; done";
    const swapper = spawn("/bin/sh", ["-c", swap], { cwd: logs, stdio: "ignore" });
    const seen = { LOG_PIPE_UNSAFE: 0, LOG_PIPE_NO_READER: 0 };
    try {
      while (Math.min(...Object.values(seen)) < 100) {
        seen[errorOf(() => openLogPipe(pipe, allocDir, owner)).code as keyof typeof seen] += 1;
        expect(statSync(other).uid).toBe(0);
        await new Promise(setImmediate);
      }
    } finally {
      swapper.kill("SIGKILL");
      await once(swapper, "exit");
    }
    expect(Object.keys(seen)).toHaveLength(2);
  });
});

describe("the line that says why a start failed", () => {
  const failure = (message: string) => new DriverError("LAUNCH_FAILED", message);

  it("is a single line of limited length", () => {
    makeFifo(pipe);
    const reader = readEnd(pipe);
    expect(logStartError(pipe, allocDir, failure(`one\n  two ${"€".repeat(5000)}`))).toBe(true);
    const bytes = Buffer.alloc(10_000);
    const text = bytes.subarray(0, readSync(reader, bytes)).toString();
    expect(text).toMatch(/^nomad-driver-exec2: LAUNCH_FAILED: one two €+\n$/);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4096);
  });

  it("never waits, neither for a reader nor for room in the pipe", () => {
    makeFifo(pipe);
    const before = openDescriptors();
    expect(logStartError(pipe, allocDir, failure("x"))).toBe(false);
    readEnd(pipe);
    const writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    expect(() => {
      for (;;) writeSync(writer, Buffer.alloc(4096));
    }).toThrow("EAGAIN");
    closeSync(writer);
    expect(logStartError(pipe, allocDir, failure("x"))).toBe(false);
    expect(openDescriptors()).toHaveLength(before.length + 1);
  });

  it("is only written to a log pipe, and does not change the pipe's owner", () => {
    writeFileSync(pipe, "");
    expect(logStartError(pipe, allocDir, failure("x"))).toBe(false);
    expect(readFileSync(pipe, "utf8")).toBe("");
    expect(logStartError("/dev/null", allocDir, failure("x"))).toBe(false);
    expect(logStartError(`${logs}/missing`, allocDir, failure("x"))).toBe(false);
    rmSync(pipe);
    makeFifo(pipe);
    readEnd(pipe);
    expect(logStartError(pipe, allocDir, failure("x"))).toBe(true);
    expect(statSync(pipe).uid).toBe(0);
  });
});

function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd");
}
