/** Overlays, overlayfs(5), for tests. */
import { spawnSync } from "node:child_process";
import { onTestFinished, type TestContext } from "vitest";

interface Layers {
  /** The topmost first. Without an upper layer, an overlay needs two. */
  readonly lower: readonly string[];
  readonly upper?: string;
  /** With an upper layer: an empty folder in its file system. */
  readonly work?: string;
}

/** Mounts an overlay until the test ends. Skips the test where the kernel has none. */
export function mountOverlay(context: TestContext, point: string, { lower, upper, work }: Layers): void {
  const layers = lower.map((path) => escaped(path).replaceAll(":", "\\:")).join(":");
  const above = upper === undefined ? [] : [`upperdir=${escaped(upper)}`, `workdir=${escaped(work ?? "")}`];
  const options = [`lowerdir=${layers}`, ...above].join(",");
  const call = ["mount", "-t", "overlay", "overlay", "-o", options, point];
  const { status, stderr } = spawnSync(call[0] as string, call.slice(1), { encoding: "utf8" });
  if (status !== 0 && /unknown filesystem type/.test(stderr))
    context.skip("NOT TESTED: this host mounts no overlays");
  if (status !== 0) throw new Error(stderr);
  onTestFinished(() => void spawnSync("umount", ["--lazy", point]));
}

/** A backslash and a comma have a meaning in the list of options. */
function escaped(path: string): string {
  return path.replaceAll("\\", "\\\\").replaceAll(",", "\\,");
}
