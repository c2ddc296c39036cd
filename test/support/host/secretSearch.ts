/** Searches for a secret in all forms in which a program may write it. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

/**
 * Whether bytes contain the secret: unchanged, or as UTF-16, hexadecimal, base64, percent-encoded or JSON.
 */
export function holds(bytes: Uint8Array | string, secret: string): boolean {
  const text = typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("latin1");
  return formsOf(secret).some((form) => text.includes(form));
}

/** The files below a folder that contain the secret. */
export function filesHolding(folder: string, secret: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .filter((path) => holds(readFileSync(path), secret));
}

/** Processes, except this one, whose command line or environment in /proc contains the secret. */
export function processesHolding(secret: string, file: "cmdline" | "environ"): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && holds(contentOf(`/proc/${pid}/${file}`), secret));
}

/** Whether the memory of a process contains the secret: proc_pid_mem(5). */
export function memoryHolds(pid: number, secret: string): boolean {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    return readFileSync(`/proc/${pid}/maps`, "utf8")
      .split("\n")
      .some((line) => {
        const [, start = "0", end = "0"] = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line) ?? [];
        const begin = Number.parseInt(start, 16);
        const bytes = Buffer.alloc(Number.parseInt(end, 16) - begin);
        return holds(bytes.subarray(0, tryRead(memory, bytes, begin)), secret);
      });
  } finally {
    closeSync(memory);
  }
}

/** Reads memory. Returns 0 for the kernel's own mappings, which cannot be read. */
function tryRead(descriptor: number, bytes: Buffer, at: number): number {
  try {
    return readSync(descriptor, bytes, 0, bytes.length, at);
  } catch {
    return 0;
  }
}

function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    // The process has ended.
    return Buffer.alloc(0);
  }
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  // The base64 form depends on the offset modulo three. The first and last characters depend on the
  // neighbouring bytes.
  const base64 = [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString("base64")
      .slice(before === 0 ? 0 : 4, -4),
  );
  return [
    bytes.toString("latin1"),
    Buffer.from(secret, "utf16le").toString("latin1"),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    ...base64,
    ...base64.map((form) => form.replaceAll("+", "-").replaceAll("/", "_")),
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
  ];
}
