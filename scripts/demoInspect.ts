/**
 * `npm run demo:inspect`: runs example tasks that end in different ways, and serves the page that shows them.
 * Needs root. Ctrl-C ends everything.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const program = join(root, "dist/plugin/nomad-driver-exec2");
const stateDir = mkdtempSync(join(tmpdir(), "exec2-demo-"));
process.on("exit", () => rmSync(stateDir, { recursive: true, force: true }));

const start = (args: readonly string[], stdio: "inherit" | "ignore") =>
  spawn(program, [...args, "--state-dir", stateDir], { stdio: ["ignore", stdio, "inherit"], detached: true });
const children = [start(["run", join(root, "examples/inspector.nomad.hcl")], "ignore")];
const page = start(["inspect", "--port", "0"], "inherit");
children.push(page);
process.stdout.write("Open this address in a browser on this machine; Ctrl-C ends the demo.\n");

const stop = () => {
  for (const child of children) child.kill("SIGINT");
};
process.on("SIGINT", stop).on("SIGTERM", stop);
page.on("exit", stop);
