/**
 * The entry of the single executable, which Node runs in place of a script. The
 * program and everything that it loads is in the executable's own file.
 */
import { loadScript } from "./scripts.ts";

/**
 * Variables that change what Node does, before any script runs. What they say in an
 * agent's environment is meant for other programs.
 */
const nodeVariables = /^(?:NODE_|OPENSSL_CONF$|SSLKEYLOGFILE$|UV_THREADPOOL_SIZE$)/;

const { env } = process;
const own = Object.entries(env).filter(([name]) => !nodeVariables.test(name));
if (own.length < Object.keys(env).length) {
  // By this link, since the file may have been replaced or removed since.
  process.execve?.("/proc/self/exe", [process.argv0, ...process.argv.slice(2)], Object.fromEntries(own));
}
loadScript("main.js");
