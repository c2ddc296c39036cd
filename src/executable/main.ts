/**
 * The entry point of the single executable: Node runs this file in place of a script. The program and
 * everything that it loads are in the executable file.
 */
import { loadScript } from "./scripts.ts";

/**
 * Variables that change how Node starts. An agent's environment sets them for other programs, so the
 * executable runs itself again without them. Variables without an effect here are not listed, because running
 * again costs a whole start of Node.
 */
const nodeVariables = /^(?:NODE_(?:COMPILE_CACHE|DEBUG|DEBUG_NATIVE|ICU_DATA|V8_COVERAGE)|OPENSSL_CONF)$/;

const { env } = process;
const kept = Object.entries(env).filter(([name]) => !nodeVariables.test(name));
if (kept.length < Object.keys(env).length) {
  // The executable's path may lead to another file by now.
  process.execve?.("/proc/self/exe", [process.argv0, ...process.argv.slice(2)], Object.fromEntries(kept));
}
// The bundled program, not this file.
loadScript("main.js");
