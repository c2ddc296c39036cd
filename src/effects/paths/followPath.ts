/** Follows a path one name after another, as the kernel does. Pure. */
import { isInProc, namesOf } from "./paths.ts";

/** What is at a path of the host. Symlinks are not followed. */
export type HostEntry =
  | { readonly kind: "folder" | "file" | "device"; readonly id: string }
  | { readonly kind: "link"; readonly target: string };

/** Looks at a path whose parents are not symlinks; undefined if nothing is there. */
export type LookAt = (path: string) => HostEntry | undefined;

interface Walk {
  /** The symlinks that were followed, in order. */
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** Undefined for a path into /proc, because each task has its own /proc. */
  readonly end: { readonly path: string; readonly entry: Exclude<HostEntry, { kind: "link" }> } | undefined;
}

/** The kernel's limit: path_resolution(7). */
const maxLinks = 40;

/** Follows a path to its end; undefined if the path leads nowhere. */
export function follow(path: string, lookAt: LookAt): Walk | undefined {
  const links: { readonly path: string; readonly target: string }[] = [];
  const rest = namesOf(path);
  let at = "/";
  let entry: Exclude<HostEntry, { kind: "link" }> = { kind: "folder", id: "" };
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const next = `${at === "/" ? "" : at}/${name}`;
    if (name === "..") {
      at = at.slice(0, at.lastIndexOf("/")) || "/";
      entry = { kind: "folder", id: "" };
      continue;
    }
    if (isInProc(next)) return { links, end: undefined };
    const there = lookAt(next);
    if (there === undefined) return undefined;
    if (there.kind === "link") {
      if (links.push({ path: next, target: there.target }) > maxLinks) return undefined;
      if (there.target.startsWith("/")) at = "/";
      rest.unshift(...namesOf(there.target));
    } else {
      at = next;
      entry = there;
    }
  }
  return { links, end: { path: at, entry } };
}
