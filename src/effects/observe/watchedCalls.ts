/**
 * The system calls whose arguments are recorded, and the tables in which the programs of useProgram.ts find these
 * calls. Pure.
 */

import type { KernelTypes } from "../bpf/btf.ts";
import { addressCalls, argumentOffset, namingCalls, tableOf } from "../bpf/calls.ts";
import type { Architecture, SystemCallName } from "../kernel/systemCalls.ts";
import { noteKinds } from "./notes.ts";

/** Calls that return the descriptor of a file that they have opened. */
const openingCalls = ["open", "creat", "openat", "openat2", "open_by_handle_at"] as const;

/** Of several messages in one call, only the first one is seen. */
const addressAndMessageCalls: Partial<
  Readonly<
    Record<
      SystemCallName,
      { readonly kind: "connect" | "bind"; readonly address: number; readonly isMessage?: true }
    >
  >
> = {
  ...addressCalls,
  sendmsg: { kind: "connect", address: 1, isMessage: true },
  sendmmsg: { kind: "connect", address: 1, isMessage: true },
};

export type CallTable = "names" | "secondNames" | "opened" | "addresses";

/**
 * Size of an entry in a table of calls. Its words are the kind, the offsets of two registers (name and
 * folder, or address and socket), and whether only failures count, or whether the first register holds the
 * address of a message.
 */
export const CALL_BYTES = 16;

/** The entries of each table, by the numbers of their calls. */
export function callTables(
  types: KernelTypes,
  architecture: Architecture,
): Readonly<Record<CallTable, ReadonlyMap<number, Uint32Array>>> {
  const argument = (index: number) => argumentOffset(types, architecture, index);
  const named = (calls: (typeof namingCalls)[number]) =>
    tableOf(calls, architecture, ({ kind, name, folder, ifFailed }) => [
      noteKinds[kind],
      argument(name),
      folder === undefined ? 0 : argument(folder),
      ifFailed ? 1 : 0,
    ]);
  return {
    names: named(namingCalls[0]),
    secondNames: named(namingCalls[1]),
    opened: tableOf(Object.fromEntries(openingCalls.map((name) => [name, name])), architecture, () => [
      noteKinds.opened,
      0,
      0,
      0,
    ]),
    addresses: tableOf(addressAndMessageCalls, architecture, ({ kind, address, isMessage }) => [
      noteKinds[kind],
      argument(address),
      argument(0),
      isMessage ? 1 : 0,
    ]),
  };
}
