/** An access that a person asks about, as words: `read /etc/ssl/x`, `connect 10.0.0.1:443`. Pure. */
import { DriverError } from "../../base/errors.ts";
import { callBlocker, type Denial } from "../../effects/denial.ts";
import { isSystemCallName } from "../../effects/kernel/systemCalls.ts";
import { namesOf } from "../../effects/paths/paths.ts";

export type AskedAccess =
  | { readonly kind: "path"; readonly path: string; readonly letters: string; readonly denial: Denial }
  | {
      readonly kind: "port";
      readonly option: "connect_tcp" | "bind_tcp" | "connect_udp" | "bind_udp";
      /** The address without its port; undefined if only a port is named. */
      readonly host: string | undefined;
      readonly port: number;
      readonly denial: Denial;
    }
  | { readonly kind: "call"; readonly call: string; readonly denial: Denial };

/** The accesses to paths: the right of Landlock, and the letters of the unveil mode that allows it. */
const pathAccesses: Readonly<Record<string, readonly [blockers: readonly string[], letters: string]>> = {
  read: [["fs.read_file"], "r"],
  list: [["fs.read_dir"], "r"],
  write: [["fs.write_file"], "w"],
  execute: [["fs.execute"], "rx"],
  create: [["fs.make_reg", "fs.write_file"], "wc"],
  remove: [["fs.remove_file"], "c"],
};

const portAccesses = {
  connect: { tcp: ["connect_tcp", "net.connect_tcp"], udp: ["connect_udp", "net.connect_send_udp"] },
  bind: { tcp: ["bind_tcp", "net.bind_tcp"], udp: ["bind_udp", "net.bind_udp"] },
} as const;

export const accessForms =
  "read, list, write, execute, create or remove PATH; connect or bind [udp] [ADDRESS:]PORT; call SYSTEM_CALL";

/**
 * Reads the words of an access.
 * @param given the words; one alone may be the whole access, as in quotes
 * @throws DriverError `ACCESS_INVALID`
 */
export function parseAccess(given: readonly string[]): AskedAccess {
  const words = given.length === 1 ? given.flatMap((text) => text.trim().split(/\s+/)) : given;
  const [verb = "", ...objects] = words;
  if (Object.hasOwn(pathAccesses, verb)) return pathAccess(verb, objects);
  if (verb === "connect" || verb === "bind") return portAccess(verb, objects);
  const [call = "", ...more] = objects;
  if (verb !== "call" || more.length > 0) throw invalid(`"${words.join(" ")}" is no access`);
  if (!isSystemCallName(call)) throw invalid(`"${call}" is no system call that the driver knows`);
  return { kind: "call", call, denial: { blockers: [callBlocker(call)], object: null } };
}

function pathAccess(verb: string, objects: readonly string[]): AskedAccess {
  const [path = "", ...more] = objects;
  if (!path.startsWith("/") || more.length > 0 || path.split("/").includes("..")) {
    throw invalid(`${verb} takes one absolute path without ".."`);
  }
  const [blockers, letters] = pathAccesses[verb] as (typeof pathAccesses)[string];
  const plain = `/${namesOf(path).join("/")}`;
  return { kind: "path", path: plain, letters, denial: { blockers, object: plain } };
}

function portAccess(verb: keyof typeof portAccesses, objects: readonly string[]): AskedAccess {
  const [first = "", ...rest] = objects;
  const protocol = first === "udp" || first === "tcp" ? first : undefined;
  const [address = "", ...more] = protocol === undefined ? objects : rest;
  const [, host, digits] = /^(?:(.*):)?(\d{1,5})$/.exec(address) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535 || more.length > 0) {
    throw invalid(`${verb} takes a port from 0 to 65535, or an address with one, such as 10.0.0.1:443`);
  }
  const [option, blocker] = portAccesses[verb][protocol ?? "tcp"];
  const bare = host?.replace(/^\[(.*)\]$/, "$1");
  return { kind: "port", option, host: bare, port, denial: { blockers: [blocker], object: digits } };
}

function invalid(summary: string): DriverError {
  return new DriverError("ACCESS_INVALID", summary, { hint: `Ask for one of: ${accessForms}` });
}
