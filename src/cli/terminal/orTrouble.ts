/** Exit codes of verbs that compare: those of diff(1) and cmp(1). */
import { DriverError } from "../../errors.ts";
import { errorText } from "./errorText.ts";
import { styleFor, widthOf } from "./style.ts";

/** @returns the exit code of `work`, 0 or 1; 2 after an error, which is printed */
export async function orTrouble(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    process.stderr.write(`${errorText(thrown, styleFor(process.stderr), widthOf(process.stderr))}\n`);
    return 2;
  }
}
