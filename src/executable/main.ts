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
const unwanted = Object.keys(env).filter((name) => nodeVariables.test(name));
if (unwanted.length > 0) {
  for (const name of unwanted) delete env[name];
  loadScript("restart.js");
}
// The bundled program, not this file.
loadScript("main.js");
