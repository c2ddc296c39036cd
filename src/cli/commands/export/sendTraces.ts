/** `export --otlp`: sends histories as traces to a collector. */

import { TraceExporter } from "../../../history/otlp/traceExporter.ts";
import { readHistory } from "../../../history/replay/storedHistory.ts";
import { type TaskTrace, taskTrace } from "../../../history/traces/taskTrace.ts";
import { countOf, formatCount } from "../../../units/counts.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { print } from "../../terminal/output.ts";
import { chosen, type ExportedTasks } from "./exportTasks.ts";

/**
 * Maximum number of tasks in a request. A task has some ten spans, and every collector accepts requests of
 * 4 MB.
 */
const tasksPerRequest = 100;

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`, `CONFIG_INVALID`, `TRACES_NOT_SENT`
 */
export async function sendTraces(stateDir: string, tasks: ExportedTasks): Promise<number> {
  const exporter = new TraceExporter(process.env);
  const [sent, unsent] = [{ tasks: 0, spans: 0 }, { tasks: 0 }];
  try {
    await using logs = await EventLogs.open(stateDir);
    let traces: TaskTrace[] = [];
    const send = async () => {
      if (traces.length > 0) await exporter.send(traces);
      sent.tasks += traces.length;
      sent.spans += traces.reduce((sum, { spans }) => sum + spans.length, 0);
      traces = [];
    };
    for (const { id, reader } of chosen(logs, tasks)) {
      const trace = taskTrace(id, readHistory(reader, id));
      if (trace === undefined) unsent.tasks += 1;
      else traces.push(trace);
      if (traces.length === tasksPerRequest) await send();
    }
    await send();
  } finally {
    await exporter.close();
  }
  const more = unsent.tasks === 0 ? "" : `; ${formatCount(unsent.tasks)} not over yet`;
  print(
    `Sent ${countOf(sent.tasks, "trace")} (${countOf(sent.spans, "span")}) to ${exporter.address}${more}`,
  );
  return 0;
}
