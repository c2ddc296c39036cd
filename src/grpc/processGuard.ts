/** Keeps the plugin's process alive, and its standard output clean. */
import { format } from "node:util";
import { type Logger, stackOf } from "../log/hclog.ts";

const consoleMethods = ["debug", "error", "info", "log", "trace", "warn"] as const;

/**
 * Logs what would otherwise end the process or be printed. Tasks survive the end of
 * the plugin, but its agent would lose contact with all of them for a while.
 */
export function guardProcess(log: Logger): void {
  // Ctrl-C and a closed terminal signal the agent's whole process group. The agent decides what to do.
  process.on("SIGINT", () => log.trace("interrupt ignored: the agent decides when a plugin ends"));
  process.on("SIGHUP", () => log.trace("hangup ignored: the agent decides when a plugin ends"));
  process.on("uncaughtException", (thrown) => log.error("unexpected failure", { error: stackOf(thrown) }));
  process.on("unhandledRejection", (thrown) => log.error("unexpected failure", { error: stackOf(thrown) }));
  // Node's own listener prints warnings.
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) =>
    log.warn("the runtime warns", { warning: name, text: message }),
  );
  // The agent reads standard output: only the handshake may appear there.
  for (const method of consoleMethods) {
    console[method] = (...args: unknown[]) =>
      log.debug("a library prints", { method, text: format(...args) });
  }
}
