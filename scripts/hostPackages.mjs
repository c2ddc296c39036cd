// Commands and files that scripts need on a machine, by the Debian packages that have them.
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";

/**
 * What a release needs: for its files, and for starting an executable of another architecture.
 * @param architectures in Node's names
 * @returns packages by commands and files
 */
export function releasePackages(architectures) {
  const others = architectures.filter((each) => each !== process.arch);
  return Object.assign({ "dpkg-deb": "dpkg" }, ...others.map((each) => emulation[each]));
}

const emulation = {
  arm64: {
    "qemu-aarch64": "qemu-user",
    "/usr/aarch64-linux-gnu/lib/libc.so.6": "libc6-arm64-cross",
    "/usr/aarch64-linux-gnu/lib/libstdc++.so.6": "libstdc++6-arm64-cross",
    "/usr/aarch64-linux-gnu/lib/libgcc_s.so.1": "libgcc-s1-arm64-cross",
  },
  x64: {
    "qemu-x86_64": "qemu-user",
    "/usr/x86_64-linux-gnu/lib/libc.so.6": "libc6-amd64-cross",
    "/usr/x86_64-linux-gnu/lib/libstdc++.so.6": "libstdc++6-amd64-cross",
    "/usr/x86_64-linux-gnu/lib/libgcc_s.so.1": "libgcc-s1-amd64-cross",
  },
};

/**
 * @param packages by the commands and files that are needed; a path may contain one `*`
 * @returns what is missing, and the packages that have it
 */
export function missingFrom(packages) {
  const missing = Object.entries(packages).filter(
    ([needed]) => !(isAbsolute(needed) ? exists(needed) : onPath(needed)),
  );
  return {
    needed: missing.map(([needed]) => needed),
    names: [...new Set(missing.map(([, name]) => name))],
  };
}

export function onPath(command) {
  return (process.env.PATH ?? "").split(":").some((folder) => folder && existsSync(join(folder, command)));
}

function exists(path) {
  const [start = "", end = ""] = basename(path).split("*");
  const folder = dirname(path);
  if (!path.includes("*")) return existsSync(path);
  return (
    existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(start) && name.endsWith(end))
  );
}
