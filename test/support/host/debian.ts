/** A small Debian in a folder, to install packages in. */
import { execFileSync } from "node:child_process";
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inRoot as entering } from "./emptyRoot.ts";
import { temporaryFolder } from "./temporaryFolder.ts";

/** A system for each set of packages, created once, and copied for each test file. */
const caches = join(import.meta.dirname, "../../../node_modules/.cache");

/**
 * The caller must remove the folder. Needs debootstrap and Debian's packages.
 * @param packages beside those of a minimal Debian
 */
export function makeDebian(...packages: readonly string[]): string {
  const root = mkdtempSync("/var/lib/exec2-test-");
  const cache = join(caches, ["debian-trixie", ...packages].join("-"));
  mkdirSync(join(cache, ".."), { recursive: true });
  const script = `
    if ! [ -d "$1" ]; then
      rm -rf "$1.unfinished"
      debootstrap --variant=minbase --include="$3" trixie "$1.unfinished"
      mv "$1.unfinished" "$1"
    fi
    cp -a "$1/." "$2"`;
  // Two test files may need the cache at the same time.
  const included = ["libstdc++6", ...packages].join(",");
  execFileSync("flock", [`${cache}.lock`, "sh", "-ec", script, "sh", cache, root, included], {
    stdio: "ignore",
  });
  // Tasks run as other users, who must be able to enter the root.
  chmodSync(root, 0o755);
  return root;
}

/**
 * Makes another package from one: with a higher version, and one more byte at the end of its executable, which has no
 * effect.
 */
export function makeNextVersion(deb: string, next: string): void {
  const stage = join(temporaryFolder(), "next");
  execFileSync("dpkg-deb", ["--raw-extract", deb, stage]);
  const control = join(stage, "DEBIAN/control");
  writeFileSync(control, readFileSync(control, "utf8").replace(/^(Version: \d+:).*$/m, "$199.0.0"));
  appendFileSync(join(stage, "usr/bin/nomad-driver-exec2"), "\0");
  execFileSync("dpkg-deb", ["--root-owner-group", "-Znone", "--build", stage, next], { stdio: "ignore" });
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
