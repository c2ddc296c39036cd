/** Parses the kernel's audit records about refusals by sandboxes. Pure. */

import { callBlocker, OTHER_MACHINE } from "../denial.ts";
import * as k from "../kernel/constants.ts";
import { systemCallName } from "../kernel/systemCalls.ts";

/** All records of one event have the same serial number. Times are in milliseconds since the epoch. */
interface Stamped {
  readonly serial: number;
  readonly timeMs: number;
}

/** The content of a record. */
export type AuditRecord =
  | (Stamped & {
      readonly kind: "denial";
      /** Id of the Landlock domain that refused the access, in hexadecimal. */
      readonly domain: string;
      readonly blockers: readonly string[];
      readonly object: string | null;
      /** The lower 16 bits of the request of a refused ioctl(2); null for other calls. */
      readonly request: number | null;
    })
  /**
   * Comes with the first denial of a domain, and has the time of this denial. Names the process that created
   * the domain by restricting itself.
   */
  | (Stamped & {
      readonly kind: "domain";
      readonly domain: string;
      readonly pid: number;
      readonly uid: number;
    })
  /** No process has the domain any more. `denials` is the kernel's count. */
  | (Stamped & { readonly kind: "domainEnd"; readonly domain: string; readonly denials: number })
  /** The system call that led to the other records of the event. */
  | (Stamped & Caller & { readonly kind: "call" })
  /** A filter refused a system call, or killed its caller. */
  | (Stamped & Caller & { readonly kind: "filtered"; readonly blocker: string })
  /** Somebody has turned audit on or off. */
  | (Stamped & { readonly kind: "enabled"; readonly enabled: boolean });

/** A process, identified by its ids on the host. */
export interface Caller {
  readonly pid: number;
  readonly uid: number;
  /** Pid of the process's parent; undefined if the record lacks it. */
  readonly parent: number | undefined;
  /** Path of the process's program, or the program's name if the kernel has no path. */
  readonly program: string | null;
}

/** Longer paths are cut, because events store a path for each kind of refusal. */
const MAX_OBJECT = 1_024;

/**
 * @param type of the message, `AUDIT_…`
 * @param text of the record: ASCII, because the kernel writes other characters in hexadecimal
 * @returns undefined for a record of another kind, and for a record that cannot be parsed
 */
export function parseRecord(type: number, text: string): AuditRecord | undefined {
  const stamp = /^audit\((\d+)\.(\d{3}):(\d+)\): /.exec(text);
  if (stamp === null) return undefined;
  const stamped = { serial: Number(stamp[3]), timeMs: Number(stamp[1]) * 1000 + Number(stamp[2]) };
  const body = text.slice(stamp[0].length);
  switch (type) {
    case k.AUDIT_LANDLOCK_ACCESS:
      return denialOf(stamped, body);
    case k.AUDIT_LANDLOCK_DOMAIN:
      return domainOf(stamped, body);
    case k.AUDIT_SYSCALL:
      return callOf(stamped, body);
    case k.AUDIT_SECCOMP:
      return filteredOf(stamped, body);
    case k.AUDIT_CONFIG_CHANGE: {
      const enabled = numberIn(body, "audit_enabled");
      return enabled === undefined ? undefined : { ...stamped, kind: "enabled", enabled: enabled !== 0 };
    }
    default:
      return undefined;
  }
}

function denialOf(stamped: Stamped, body: string): AuditRecord | undefined {
  const [domain, list] = [fieldIn(body, "domain"), fieldIn(body, "blockers")];
  if (domain === undefined || list === undefined) return undefined;
  const blockers = list.split(",");
  const request = /^0x[0-9a-f]{1,8}$/.exec(fieldIn(body, "ioctlcmd") ?? "");
  return {
    ...{ ...stamped, kind: "denial", domain, blockers },
    object: objectIn(body, blockers[0] ?? ""),
    request: request === null ? null : Number(request[0]),
  };
}

function domainOf(stamped: Stamped, body: string): AuditRecord | undefined {
  const [domain, status] = [fieldIn(body, "domain"), fieldIn(body, "status")];
  if (domain === undefined) return undefined;
  if (status === "deallocated") {
    return { ...stamped, kind: "domainEnd", domain, denials: numberIn(body, "denials") ?? 0 };
  }
  const [pid, uid] = [numberIn(body, "pid"), numberIn(body, "uid")];
  return pid === undefined || uid === undefined
    ? undefined
    : { ...stamped, kind: "domain", domain, pid, uid };
}

function callOf(stamped: Stamped, body: string): AuditRecord | undefined {
  const caller = callerIn(body);
  return caller && { ...stamped, kind: "call", ...caller };
}

function filteredOf(stamped: Stamped, body: string): AuditRecord | undefined {
  const caller = callerIn(body);
  const call = numberIn(body, "syscall");
  if (caller === undefined || call === undefined) return undefined;
  const architecture = architectures[fieldIn(body, "arch") ?? ""];
  const name = architecture === undefined ? undefined : systemCallName(call, architecture);
  const blocker = architecture === undefined ? OTHER_MACHINE : callBlocker(name ?? String(call));
  return { ...stamped, kind: "filtered", ...caller, blocker };
}

const architectures: Readonly<Record<string, "x64" | "arm64">> = {
  [k.AUDIT_ARCH_X86_64.toString(16)]: "x64",
  [k.AUDIT_ARCH_AARCH64.toString(16)]: "arm64",
};

function callerIn(body: string): Caller | undefined {
  const [pid, uid] = [numberIn(body, "pid"), numberIn(body, "uid")];
  if (pid === undefined || uid === undefined) return undefined;
  const [exe, comm] = [textIn(body, "exe"), textIn(body, "comm")];
  const program = exe?.startsWith("/") ? exe : comm;
  return { pid, uid, parent: numberIn(body, "ppid"), program: program === undefined ? null : cut(program) };
}

/** The object of the refused access: `dump_common_audit_data` of the kernel's `security/lsm_audit.c`. */
function objectIn(body: string, blocker: string): string | null {
  if (blocker.startsWith("net.")) {
    // The kernel leaves out port 0.
    return fieldIn(body, blocker.startsWith("net.bind") ? "src" : "dest") ?? "0";
  }
  const process = fieldIn(body, "opid");
  if (process !== undefined) return `${cut(textIn(body, "ocomm") ?? "?")}, pid ${process}`;
  const path = textIn(body, "path") ?? textIn(body, "name");
  if (path === undefined) return null;
  // The name of an abstract socket begins with a zero.
  return cut(path.startsWith("\0") ? `@${path.slice(1)}` : path);
}

function cut(text: string): string {
  return text.length > MAX_OBJECT ? `${text.slice(0, MAX_OBJECT - 1)}…` : text;
}

function numberIn(body: string, name: string): number | undefined {
  const value = fieldIn(body, name);
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/**
 * Reads a text that a process may have chosen. The kernel puts it in quotes, or writes it in hexadecimal if
 * it has a quote, a space or a character that is not ASCII. So the text cannot imitate another field.
 */
function textIn(body: string, name: string): string | undefined {
  const value = fieldIn(body, name);
  if (value === undefined || value === "(null)") return undefined;
  if (value.startsWith('"')) return value.slice(1, -1);
  return /^(?:[0-9A-F]{2})+$/.test(value) ? Buffer.from(value, "hex").toString("utf8") : undefined;
}

/** The value of ` name=value`, which ends at a space. */
function fieldIn(body: string, name: string): string | undefined {
  const key = `${name}=`;
  const at = body.startsWith(key) ? 0 : body.indexOf(` ${key}`) + 1;
  if (!body.startsWith(key, at)) return undefined;
  const begin = at + key.length;
  const end = body.indexOf(" ", begin);
  return body.slice(begin, end < 0 ? undefined : end);
}
