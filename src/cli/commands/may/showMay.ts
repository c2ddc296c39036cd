/** `may`: whether a task may do something, from its recorded sandbox. */

import { parseAccess } from "../../../history/access/askedAccess.ts";
import { type Answer, mayAccess } from "../../../history/access/may.ts";
import { visible } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import type { TaskPlace } from "../../histories/eventLogs.ts";
import { readSandbox } from "../../histories/recordedSandbox.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { widthOf } from "../../terminal/style.ts";

/**
 * @returns the exit code: 0 if the task may do it, otherwise 1
 * @throws DriverError `ACCESS_INVALID`, `TASK_NOT_FOUND`, `SANDBOX_UNKNOWN`, `STORE_FAILED`
 */
export async function showMay(place: TaskPlace, words: readonly string[], json: boolean): Promise<number> {
  const access = parseAccess(words);
  const { id, run } = await readSandbox(place);
  const answer = mayAccess(run, access);
  print(
    json ? jsonOf("may", { task: id, ...answer }) : wrap(mayText(answer), widthOf(process.stdout)).join("\n"),
  );
  return answer.allowed ? 0 : 1;
}

function mayText({ allowed, rule, proviso, advice }: Answer): string {
  const first = `${allowed ? "Yes" : "No"}: ${rule}${proviso === null ? "" : `; ${proviso}`}.`;
  return visible(advice === "" ? first : `${first} ${advice}.`);
}
