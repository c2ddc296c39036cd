/** What `cp` copies, and where to. Pure. */
import { posix } from "node:path";
import { DriverError } from "../../../base/errors.ts";

export interface Copy {
  readonly task: string;
  /** Whether the copy leaves the task: `from` is then a path in the task, otherwise `to` is one. */
  readonly isOut: boolean;
  readonly from: string;
  readonly to: string;
}

/** @throws DriverError `CONFIG_INVALID` unless exactly one of the places is in a task */
export function parseCopy(from: string, to: string): Copy {
  const [source, target] = [parsePlace(from), parsePlace(to)];
  const paths = { from: source.path, to: target.path };
  if (source.task !== undefined && target.task === undefined)
    return { task: source.task, isOut: true, ...paths };
  if (source.task === undefined && target.task !== undefined)
    return { task: target.task, isOut: false, ...paths };
  const summary = source.task === undefined ? "neither place is in a task" : "both places are in tasks";
  throw new DriverError("CONFIG_INVALID", summary, { hint: "Name exactly one of them as TASK:PATH" });
}

interface Place {
  readonly task: string | undefined;
  readonly path: string;
}

/** `TASK:PATH`, or a path of the host. One with a colon can begin with `/` or `.`, as no task does. */
function parsePlace(text: string): Place {
  const [, task, given] = /^([^/.:][^:]*):(.*)$/s.exec(text) ?? [];
  const place = task === undefined ? { task, path: text } : { task, path: given || "." };
  if (place.path !== "" && !place.path.includes("\0")) return place;
  throw new DriverError("CONFIG_INVALID", "a path is empty, or has a NUL byte");
}

/** The name that a copy of something gets; empty if the content of a folder is meant: `folder/.`, or the root. */
export function nameOf(path: string): string {
  return /(?:^|\/)\.{1,2}\/*$|^\/+$/.test(path) ? "" : posix.basename(path);
}
