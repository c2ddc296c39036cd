/**
 * Makes V8 optimize the code of a start sooner. A start runs much code, but each piece only once, so V8 would
 * optimize it only after some hundred starts. With these flags, a tenth of that is enough. A start then takes
 * half a millisecond less.
 *
 * As arguments of the process, the same flags would make Node discard its embedded code cache, and each
 * launch would take 15 ms longer.
 */
import { setFlagsFromString } from "node:v8";

export function optimizeEarly(): void {
  setFlagsFromString("--invocation-count-for-maglev=40");
  setFlagsFromString("--minimum-invocations-after-ic-update=50");
}
