/** `egress`: shows and changes where a running task may connect. */
import { closeSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { DriverError, messageOf } from "../../../base/errors.ts";
import type { EgressEdit } from "../../../effects/egress/egressChange.ts";
import { destinationText } from "../../../effects/egress/egressDenial.ts";
import { type TaskConnection, TaskSockets } from "../../../effects/egress/taskConnections.ts";
import { openProcess } from "../../../effects/processes/signals.ts";
import { countOf } from "../../../units/counts.ts";
import { formatTime } from "../../../units/times.ts";
import { visible } from "../../../units/visible.ts";
import { findOperatedTask, type OperatedTask, operatorName } from "../../tasks/operator.ts";
import { connectTo } from "../../tasks/runningTask.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print, printNote } from "../../terminal/output.ts";
import { widthOf } from "../../terminal/style.ts";
import { formatTable } from "../../terminal/table.ts";
import { removedEgress } from "./removedEgress.ts";

interface Shown {
  readonly json: boolean;
  readonly stateDir: string;
}

const whyRoot = "only root may see and change where a task connects";

/**
 * @returns the exit code
 * @throws DriverError `USER_FORBIDDEN`, `TASK_NOT_FOUND`, `TASK_NOT_RUNNING`
 */
export async function showEgress(task: string, { json, stateDir }: Shown): Promise<number> {
  const found = await findOperatedTask(stateDir, task, whyRoot);
  const { id, sandbox } = found;
  const allowed = sandbox.egress?.allowed ?? null;
  const entries =
    allowed?.map((entry) => ({ entry, ...originOf(entry, found), ...addressesOf(entry, found) })) ?? null;
  const denied = sandbox.egress?.denied ?? [];
  if (json) {
    print(jsonOf("egress", { task: id, allowed: entries, denied }));
    return 0;
  }
  if (entries === null) print("everything that its network reaches");
  else if (entries.length === 0) print("only loopback");
  else {
    const rows = entries.map(({ entry, from, addresses }) => [
      visible(entry),
      visible([...(addresses === undefined ? [] : [addresses.join(", ") || "no address"]), from].join("; ")),
    ]);
    print(formatTable(rows, widthOf(process.stdout)));
  }
  if (denied.length > 0) print(visible(`never: ${denied.join(", ")}`));
  return 0;
}

/** Where an entry of the present list comes from. */
function originOf(entry: string, { context }: OperatedTask): { readonly from: string } {
  const added = context.egress.added.find((each) => each.entry === entry);
  if (added !== undefined) {
    const why = added.reason === "" ? "" : `: ${added.reason}`;
    return { from: `added by ${added.by}, ${formatTime(added.at)}${why}` };
  }
  return { from: context.request?.options.egress === undefined ? "the plugin's list" : "the job" };
}

function addressesOf(entry: string, { context }: OperatedTask): { readonly addresses?: readonly string[] } {
  const named = context.names.find(
    ({ name }) =>
      entry
        .toLowerCase()
        .replace(/^(?:tcp|udp):/, "")
        .replace(/:\d+$/, "") === name,
  );
  return named === undefined ? {} : { addresses: named.addresses };
}

interface ChangeOptions extends Shown {
  readonly reason: string;
}

/**
 * @returns the exit code: 1 if connections that the list does not allow may go on
 * @throws DriverError as {@link showEgress}, `PLUGIN_FAILED`, or the plugin's error
 */
export async function changeEgress(
  task: string,
  edit: EgressEdit,
  { reason, json, stateDir }: ChangeOptions,
): Promise<number> {
  const found = await findOperatedTask(stateDir, task, whyRoot);
  const { allowed, added, removed } = await ask(found, edit, reason);
  const ended = await endRemoved(found.id, stateDir);
  const isWhole = ended.open.length + ended.unknown.length === 0;
  if (json) {
    print(jsonOf("egress --set", { task: found.id, allowed, added, removed, ...ended }));
    return isWhole ? 0 : 1;
  }
  const what = added.length + removed.length === 0 ? "unchanged: " : "";
  print(visible(`${what}${allowed.length === 0 ? "only loopback" : allowed.join(", ")}`));
  if (ended.ended.length > 0)
    print(visible(`${countOf(ended.ended.length, "connection")} ended: ${ended.ended.join(", ")}`));
  for (const { connection, reason: why } of ended.open)
    printNote(visible(`still open: ${connection} (${why})`));
  for (const each of ended.unknown) printNote(visible(`connections may still be open: ${each}`));
  return isWhole ? 0 : 1;
}

async function ask({ id, stateFolder }: OperatedTask, { set, add, remove }: EgressEdit, reason: string) {
  const { plugin, close } = await connectTo(stateFolder);
  try {
    return await plugin.operator.changeEgress({
      ...{
        taskId: id,
        replaces: set !== undefined,
        set: [...(set ?? [])],
        add: [...add],
        remove: [...remove],
      },
      ...{ by: operatorName(), reason },
    });
  } catch (thrown) {
    const { errorOfCall } = await import("../../../grpc/status.ts");
    throw errorOfCall(thrown);
  } finally {
    close();
  }
}

interface EndedConnections {
  /** Such as `tcp 192.0.2.7:443`. */
  readonly ended: readonly string[];
  readonly open: readonly { readonly connection: string; readonly reason: string }[];
  /** Why nobody knows whether there are more. */
  readonly unknown: readonly string[];
}

/** A connection that was being made when the list changed is seen by a later look. */
const minLooks = 2;
const maxLooks = 20;
const betweenLooksMs = 50;

/** Ends the task's connections to what was removed from its list in this run. Never rejects. */
async function endRemoved(id: string, stateDir: string): Promise<EndedConnections> {
  const ended: string[] = [];
  const open = new Map<string, string>();
  try {
    const found = await findOperatedTask(stateDir, id, whyRoot);
    const isRemoved = removedEgress(found);
    if (isRemoved === undefined) return { ended, open: [], unknown: [] };
    using opened = new DisposableStack();
    const init = openProcess(found.init);
    if (init === undefined) return { ended, open: [], unknown: [] };
    opened.adopt(init, closeSync);
    const sockets = opened.use(
      new TaskSockets(init, found.context.request?.resources.cgroup ?? found.cgroup),
    );
    for (let looks = 1; ; looks += 1) {
      const { connections, unlisted } = sockets.connections();
      const removed = connections.filter(isRemoved);
      for (const each of removed) {
        const why = each.cameIn ? "its port listens: others may have made it" : sockets.end(each);
        if (why === undefined) ended.push(textOf(each));
        else open.set(textOf(each), why);
      }
      const isOver = removed.every((each) => open.has(textOf(each)));
      if (looks < maxLooks && (looks < minLooks || !isOver)) {
        await pause(betweenLooksMs);
        continue;
      }
      const unknown = unlisted.map(({ protocol, reason }) => `${protocol}: ${reason}`);
      return { ended, open: Array.from(open, ([connection, reason]) => ({ connection, reason })), unknown };
    }
  } catch (thrown) {
    const isGone = thrown instanceof DriverError && /^TASK_NOT/.test(thrown.code);
    return { ended, open: [], unknown: isGone ? [] : [messageOf(thrown)] };
  }
}

function textOf({ protocol, address, port }: TaskConnection): string {
  return `${protocol} ${destinationText(address, port)}`;
}
