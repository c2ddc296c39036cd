/** A kernel that seems to lack some of what it has. Only what runs on it notices. */
import { fileURLToPath } from "node:url";
import type { Restriction } from "../../../src/effects/seccomp/restriction.ts";

export interface LesserKernel {
  /** System calls that fail, as on a kernel without them. */
  readonly restrictions?: readonly Restriction[];
  /** What Landlock says of its ABI. */
  readonly landlockAbi?: number;
  /** Folders, mostly of /proc, that are empty. */
  readonly empty?: readonly string[];
}

/** The words before a program that runs on such a kernel. The program needs an absolute path. */
export function onLesserKernel({ restrictions, landlockAbi, empty = [] }: LesserKernel): string[] {
  const fixture = (name: string) => [
    process.execPath,
    fileURLToPath(new URL(`../../fixtures/${name}.ts`, import.meta.url)),
  ];
  const masks = empty.map((folder) => `mount -t tmpfs none ${folder} && `).join("");
  return [
    ...(masks === "" ? [] : ["/usr/bin/env", "unshare", "--mount", "sh", "-c", `${masks}exec "$@"`, "sh"]),
    ...(restrictions === undefined ? [] : [...fixture("filtered"), JSON.stringify(restrictions)]),
    ...(landlockAbi === undefined ? [] : [...fixture("olderLandlock"), String(landlockAbi)]),
  ];
}
