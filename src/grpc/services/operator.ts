/**
 * Records what operators do with tasks, and changes what running ones may. As for the state folder's service, the socket's mode is all the
 * authentication: who may connect can start tasks as root anyway.
 */
import { toTaskId } from "../../base/taskId.ts";
import type { DriverSlot } from "../driverSlot.ts";
import type { OperatorServer } from "../generated/exec2/operator.ts";
import type { Handlers } from "../handlers.ts";

export function operatorService({ unary }: Handlers, slot: DriverSlot): OperatorServer {
  return {
    record: unary(async ({ taskId, act, what, by }) => {
      await (await slot.driver).recordOperator(toTaskId(taskId), { act, what, by });
      return {};
    }),
    changeEgress: unary(async ({ taskId, replaces, set, add, remove, by, reason }) => {
      const edit = { set: replaces ? set : undefined, add, remove };
      const changed = await (await slot.driver).changeEgress(toTaskId(taskId), edit, { by, reason });
      const { allowed, added, removed } = changed;
      return { allowed: [...allowed], added: [...added], removed: [...removed] };
    }),
  };
}
