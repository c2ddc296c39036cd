/** A small Debian in a folder, to install packages in. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { inRoot as entering } from "./emptyRoot.ts";

/** Created once, and copied for each test file. */
const cache = join(import.meta.dirname, "../../../node_modules/.cache/debian-trixie");

/** The caller must remove the folder. Needs debootstrap and Debian's packages. */
export function makeDebian(): string {
  const root = mkdtempSync("/var/lib/exec2-test-");
  mkdirSync(join(cache, ".."), { recursive: true });
  const script = `
    if ! [ -d "$1" ]; then
      rm -rf "$1.unfinished"
      debootstrap --variant=minbase --include=libstdc++6 trixie "$1.unfinished"
      mv "$1.unfinished" "$1"
    fi
    cp -a "$1/." "$2"`;
  // Two test files may need the cache at the same time.
  execFileSync("flock", [`${cache}.lock`, "sh", "-ec", script, "sh", cache, root], { stdio: "ignore" });
  // Tasks run as other users, who must be able to enter the root.
  chmodSync(root, 0o755);
  return root;
}

const env = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  DEBIAN_FRONTEND: "noninteractive",
};

/** Runs a command in the root, with the kernel's file systems, and returns its output. */
export function runIn(root: string, ...command: readonly string[]): string {
  const [program = "", ...args] = entering({ root, command: ["/usr/bin/env", ...command], env });
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
