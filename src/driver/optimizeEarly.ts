/**
 * Makes V8 optimize the code of a start sooner. A start runs much code, but each piece
 * only once, so V8 would optimize it after some hundred starts. These flags lower that
 * to a tenth, which makes a start half a millisecond faster.
 *
 * As arguments of the process, the same flags would make Node discard its embedded
 * code cache, and each launch would take 15 ms longer.
 */
import { setFlagsFromString } from "node:v8";

export function optimizeEarly(): void {
  setFlagsFromString("--invocation-count-for-maglev=40");
  setFlagsFromString("--minimum-invocations-after-ic-update=50");
}
