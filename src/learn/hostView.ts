/** Reads the facts of the host that a learned policy depends on. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { follow } from "../effects/paths/followPath.ts";
import { lookAt } from "../effects/paths/hostPaths.ts";
import type { HostView } from "./policy.ts";

/** A view of the host that remembers what it has read. */
export function hostView(): HostView {
  return {
    follow: remembered((path) => follow(path, lookAt)),
    linkerOf: remembered(linkerOf),
    homes: homes(),
  };
}

function remembered<Result>(look: (path: string) => Result): (path: string) => Result {
  const known = new Map<string, Result>();
  return (path) => {
    const present = known.get(path);
    if (present !== undefined || known.has(path)) return present as Result;
    const result = look(path);
    known.set(path, result);
    return result;
  };
}

/** Home folders of the users in /etc/passwd: passwd(5). Leaves out `/`, which system users share. */
function homes(): string[] {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const folders = lines.flatMap((line) => {
    const [, , uid, , , home = ""] = line.split(":");
    return uid === "0" || Number(uid) >= firstUser ? home.replace(/\/+$/, "") : [];
  });
  return [
    ...new Set(["/root", ...folders.filter((home) => home.startsWith("/") && home !== "/nonexistent")]),
  ];
}

/** Lower uids belong to services: login.defs(5). The home of a service is its working directory. */
const firstUser = 1000;

const PT_INTERP = 3;

/** The dynamic linker of a 64-bit ELF file: elf(5). Undefined for other files. */
function linkerOf(program: string): string | undefined {
  try {
    const file = openSync(program, "r");
    try {
      return linkerIn(file);
    } finally {
      closeSync(file);
    }
  } catch {
    // The file was removed, or only begins like an ELF file.
    return undefined;
  }
}

function linkerIn(file: number): string | undefined {
  const read = (from: number, bytes: number) => {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(file, buffer, 0, bytes, from));
  };
  const head = read(0, 64);
  if (head.toString("latin1", 0, 5) !== "\x7fELF\x02") return undefined;
  const size = head.readUInt16LE(54);
  const table = read(Number(head.readBigUInt64LE(32)), size * head.readUInt16LE(56));
  for (let at = 0; at < table.length; at += size) {
    if (table.readUInt32LE(at) !== PT_INTERP) continue;
    const name = read(Number(table.readBigUInt64LE(at + 8)), Number(table.readBigUInt64LE(at + 32)));
    return name.toString("utf8", 0, name.indexOf(0));
  }
  return undefined;
}
