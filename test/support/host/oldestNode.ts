/** The oldest version of Node that the library supports: the system's own, if it has this version. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "vitest";
import manifest from "../../../package.json" with { type: "json" };
import { leaveOut } from "./requireTools.ts";

/** @returns the path of a Node of the least major version that package.json's `engines` allows */
export function oldestNode(context: TestContext): string {
  const major = /^>=(\d+)$/.exec(manifest.engines.node)?.[1] ?? "none";
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/local/bin", "/usr/bin"];
  const candidates = folders.flatMap((folder) => [join(folder, "node"), join(folder, "nodejs")]);
  return candidates.find((path) => versionOf(path) === major) ?? leaveOut(context, `Node ${major}`);
}

function versionOf(path: string): string | undefined {
  try {
    return /^v(\d+)\./.exec(execFileSync(path, ["--version"], { encoding: "utf8" }))?.[1];
  } catch {
    return undefined;
  }
}
