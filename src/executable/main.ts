/**
 * The entry point of the single executable: Node runs it in place of a script. The
 * program and all that it loads are in the executable file.
 */
import { loadScript } from "./scripts.ts";

/**
 * Variables that change what Node does, before any script runs. In an agent's
 * environment they are meant for other programs. Those without an effect here stay:
 * to remove one takes as long as a whole start of Node.
 */
const nodeVariables = /^(?:NODE_(?:COMPILE_CACHE|DEBUG|DEBUG_NATIVE|ICU_DATA|V8_COVERAGE)|OPENSSL_CONF)$/;

const { env } = process;
const own = Object.entries(env).filter(([name]) => !nodeVariables.test(name));
if (own.length < Object.keys(env).length) {
  // Not by its path: the file may have been replaced or removed since.
  process.execve?.("/proc/self/exe", [process.argv0, ...process.argv.slice(2)], Object.fromEntries(own));
}
loadScript("main.js");
