/** What attacks are aimed at: files, sockets and processes of the host and of another task. Needs root. */
import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { onTestFinished } from "vitest";
import { defaultStateDir } from "../../../src/base/defaultStateDir.ts";
import { systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { type Allocation, makeAllocation } from "../agent/allocation.ts";
import { hostFolder, idmappedFolders } from "../host/temporaryFolder.ts";
import type { Target } from "./catalogue.ts";

const number = (call: "name_to_handle_at" | "prctl") =>
  systemCallNumber(call, process.arch === "arm64" ? "arm64" : "x64");

/** An account and a group of every Debian, and a user without an account. */
export const games = { name: "games", uid: 5, gid: 60 } as const;
const audio = 29;
const stranger = { uid: 20_001, gid: 20_001 } as const;

/**
 * @param attacker the attacker's user, who owns whatever of the target only a user's rights would protect;
 *   default: a new dynamic user
 */
export async function makeTarget(attacker?: Allocation["user"]): Promise<Target> {
  const { user, folder: neighbourFolder, taskFolder } = makeAllocation(attacker && { user: attacker });
  fileOf(user, `${taskFolder}/secrets/own`);
  const folder = hostFolder();
  const closed = `${folder}/closed`;
  mkdirSync(closed, { mode: 0o700 });
  const secretFile = `${closed}/secret`;
  writeFileSync(secretFile, "secret", { mode: 0o600 });
  const ownFile = fileOf(user, `${folder}/own`);
  const socket = `${folder}/socket`;
  const abstractSocket = `exec2-target-${randomUUID()}`;
  for (const path of [socket, `\0${abstractSocket}`]) await listen(path);
  chmodSync(socket, 0o777);
  return {
    ...{ user, secretFile, ownFile, socket, abstractSocket, neighbourFolder },
    secretHandle: handleOf(secretFile),
    shmKey: makeSharedMemory(user),
    accountFile: fileOf(games, `${folder}/account`),
    groupFile: fileOf({ uid: stranger.uid, gid: audio }, `${folder}/group`, 0o640),
    volumes: { others: volumeOf(stranger), roots: volumeOf({ uid: 0, gid: 0 }) },
    eventLog: eventLogOf({ stateDir: defaultStateDir }),
    pid: await startProcess(user),
  };
}

export function eventLogOf({ stateDir }: { readonly stateDir: string }): string {
  return `${stateFolderPaths(stateDir).events}/data.mdb`;
}

type Owner = Pick<Allocation["user"], "uid" | "gid">;

function volumeOf(owner: Owner): string {
  const folder = hostFolder(owner, idmappedFolders);
  fileOf(owner, `${folder}/own`);
  return folder;
}

function fileOf({ uid, gid }: Owner, path: string, mode = 0o600): string {
  writeFileSync(path, "own", { mode });
  chownSync(path, uid, gid);
  return path;
}

async function listen(path: string): Promise<void> {
  const server = createServer((connection) => connection.on("error", () => undefined).destroy());
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(path, resolve));
}

/** A file's handle: open_by_handle_at(2). */
function handleOf(path: string): Target["secretHandle"] {
  const script = `
    my ($path, $handle, $mount) = ("${path}\\0", pack("Ll", 128, 0) . "\\0" x 128, "\\0" x 4);
    # Overlays, such as the root of the virtual machine, have no handles.
    syscall(${number("name_to_handle_at")}, -100, $path, $handle, $mount, 0) != -1 || $!{EOPNOTSUPP} or die "no handle: $!";
    my ($length, $type) = unpack("Ll", $handle);
    print "$type ", unpack("H*", substr($handle, 8, $length));`;
  const [type, bytes = ""] = execFileSync("perl", ["-e", script], { encoding: "utf8" }).split(" ");
  return [Number(type), bytes];
}

/** @returns the segment's key */
function makeSharedMemory({ uid, gid }: Allocation["user"]): number {
  const key = 0x65780000 + (uid % 0xffff);
  const script = (what: string) => ["-e", `my $id = shmget(${key}, 4096, 0600 | 01000) // die; ${what}`];
  execFileSync("perl", script(""), { uid, gid });
  onTestFinished(() => void execFileSync("perl", script("shmctl($id, 0, 0)"), { uid, gid }));
  return key;
}

/** A process that any other process of its user may trace, even where only parents may trace. */
async function startProcess({ uid, gid }: Allocation["user"]): Promise<number> {
  const script = `syscall(${number("prctl")}, 0x59616d61, -1, 0, 0, 0); print "up"; sleep 100000`;
  const victim = spawn("perl", ["-e", `$| = 1; $SIG{CONT} = "IGNORE"; ${script}`], {
    ...{ uid, gid, cwd: "/", env: { SECRET: "x" } },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void victim.kill("SIGKILL"));
  await once(victim.stdout, "data");
  return Number(victim.pid);
}

/** What of a process others of its user could change: its limits, priorities and processors. */
export function settingsOf(pid: number): string {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const [, afterName = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const fields = afterName.split(" ");
  const ionice = execFileSync("ionice", ["-p", String(pid)], { encoding: "utf8" });
  return [
    readFileSync(`/proc/${pid}/limits`, "utf8"),
    /^Cpus_allowed:.*$/m.exec(status)?.[0],
    // The nice value, the real-time priority and the policy: proc_pid_stat(5).
    fields[16],
    fields[37],
    fields[38],
    ionice,
  ].join("\n");
}
