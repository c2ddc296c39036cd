/** A folder for `root_dir` that an attacker has made: with the attacks' program, and with what should lead out of it. */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import type { Allocation } from "../agent/allocation.ts";
import { folderOfFile } from "../host/temporaryFolder.ts";

/** Where {@link plantHostileRoot} puts the folder, for the job. */
export const hostileRoot = "local/rootfs";

let made: string | undefined;

/** Copies the folder into the task's. */
export function plantHostileRoot({ taskFolder }: Pick<Allocation, "taskFolder">): void {
  made ??= makeTree();
  execFileSync("cp", ["-a", made, `${taskFolder}/${hostileRoot}`]);
}

function makeTree(): string {
  const tree = `${folderOfFile("/var/lib")}/rootfs`;
  for (const path of filesOfPerl()) {
    mkdirSync(dirname(tree + path), { recursive: true });
    copyFileSync(path, tree + path);
  }
  // A set-user-ID program of root, which makes all the attacks.
  chmodSync(`${tree}/usr/bin/perl`, 0o6755);
  // Where the attacks look for the host's files.
  for (const name of ["sys", "run", "home", "root"])
    symlinkSync(`../../../../../../../../../${name}`, `${tree}/${name}`);
  for (const name of ["proc", "dev", "tmp", "etc"])
    symlinkSync(`/../../../../../../../../../${name}`, `${tree}/${name}`);
  for (const [name, ...device] of [
    ["mem", "c", "1", "1"],
    ["disk", "b", "254", "0"],
  ] as const)
    execFileSync("mknod", ["-m", "666", `${tree}/${name}`, ...device]);
  return tree;
}

/** The interpreter, its libraries and the modules of the attacks, by the names under which they are looked up. */
function filesOfPerl(): string[] {
  const libraries =
    execFileSync("ldd", ["/usr/bin/perl"], { encoding: "utf8" }).match(/\/\S+(?= \(0x)/g) ?? [];
  const script =
    'use Socket; use Fcntl; print "$_\\n" for values %INC; open my $f, "<", "/proc/self/maps"; m{(/\\S+/auto/\\S+)} and print "$1\\n" while <$f>;';
  const modules = execFileSync("perl", ["-e", script], { encoding: "utf8" }).trimEnd().split("\n");
  return [...new Set(["/usr/bin/perl", ...libraries, ...modules])].filter((path) => path.startsWith("/"));
}
