/** Roots with only the given files, to run programs without anything else. */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, linkSync, mkdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { temporaryFolder } from "./temporaryFolder.ts";

/** The argument of test/fixtures/enterRoot.ts. */
export interface RootEntry {
  readonly root: string;
  /** Folders of the host that are mounted at the same paths. */
  readonly shared: readonly string[];
  readonly readOnly: boolean;
  readonly command: readonly string[];
  /** Default: the caller's. */
  readonly env?: Readonly<Record<string, string>>;
}

const fixture = join(import.meta.dirname, "../../fixtures/enterRoot.ts");

/**
 * A root for the duration of the test. It has the programs, their libraries, and mount points for the
 * kernel's file systems. `/tmp` and `/run` are empty, and `noexec`.
 * @param programs host paths by paths in the root
 */
export function emptyRoot(programs: Readonly<Record<string, string>>): string {
  const root = temporaryFolder();
  chmodSync(root, 0o755);
  for (const folder of ["proc", "tmp", "run"]) mkdirSync(join(root, folder));
  for (const [target, path] of Object.entries(programs)) {
    put(path, join(root, target));
    for (const library of librariesOf(path)) put(library, join(root, library));
  }
  return root;
}

/** A command that executes another command in a root. */
export function inRoot(entry: Partial<RootEntry> & Pick<RootEntry, "root" | "command">): string[] {
  const full: RootEntry = { shared: [], readOnly: false, ...entry };
  return [process.execPath, fixture, JSON.stringify(full)];
}

/** Paths of the dynamic linker and the libraries, as ldd(1) shows them. */
function librariesOf(program: string): string[] {
  const shown = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...shown.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = ""]) => path);
}

function put(path: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  try {
    // Links avoid copies of large files if both are on the same file system.
    linkSync(realpathSync(path), target);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST") return;
    copyFileSync(path, target);
  }
}
