/** Keeps a plugin's process alive and its standard output clean, whatever happens in or around it. */
import { format } from "node:util";
import { type Logger, stackOf } from "../log/hclog.ts";

const consoleMethods = ["debug", "error", "info", "log", "trace", "warn"] as const;

/**
 * Logs what would otherwise end the process or be printed. A plugin that ends
 * takes no task along, but its agent loses sight of all of them for a while.
 */
export function guardProcess(log: Logger): void {
  // They reach the agent's whole process group (Ctrl-C, a closed terminal); the agent decides what they mean.
  process.on("SIGINT", () => log.trace("interrupt ignored: the agent decides when a plugin ends"));
  process.on("SIGHUP", () => log.trace("hangup ignored: the agent decides when a plugin ends"));
  process.on("uncaughtException", (thrown) => log.error("unexpected failure", { error: stackOf(thrown) }));
  process.on("unhandledRejection", (thrown) => log.error("unexpected failure", { error: stackOf(thrown) }));
  // Node's own listener prints them.
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) =>
    log.warn("the runtime warns", { warning: name, text: message }),
  );
  // Standard output is the agent's: nothing but the handshake may appear there.
  for (const method of consoleMethods) {
    console[method] = (...told: unknown[]) =>
      log.debug("a library prints", { method, text: format(...told) });
  }
}
