/**
 * Relays the tasks of this host, each as an actor, in the messages of `@statelyai/inspect`. A new receiver gets
 * all actors in their current states, then every event and the state after it. With history, each actor starts in
 * its initial state, and all stored events follow in their order. Events are read from the log when the
 * receiver is ready for more, so a slow one loses nothing and uses no memory. After each message, other work
 * gets a turn.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { DriverError } from "../../base/errors.ts";
import { allocationOf, shortId, taskName } from "../../base/taskId.ts";
import { momentOf } from "../../history/replay/history.ts";
import { maskEvent } from "../../history/replay/mask.ts";
import { type MachineState, thisMachine } from "../../machines/machineVersion.ts";
import type { EventReader, StoredEvent } from "../../store/eventStore.ts";
import { actorMessage, eventMessage, type StatelyMessage, snapshotMessage } from "../stately/messages.ts";
import type { TaskIndex } from "./taskIndex.ts";

/** Who gets the messages, and may be slow. */
export interface Receiver {
  /** Aborted when it is gone. */
  readonly gone: AbortSignal;
  /** Resolves once it takes more, or is gone. */
  send(message: StatelyMessage): Promise<void>;
}

/** What a receiver wants. */
export interface Wanted {
  readonly withHistory: boolean;
  /** A task's id, or an allocation's for all of its tasks. Default: all tasks. */
  readonly of?: string | undefined;
}

/** What the query of an address asks for: `history`, `of`. */
export function wantedBy(query: URLSearchParams): Wanted {
  return { withHistory: query.has("history"), of: query.get("of") ?? undefined };
}

/** Relays until the receiver is gone. */
export function relay(receiver: Receiver, index: TaskIndex, wanted: Wanted): Promise<void> {
  return new Relay(receiver, index, wanted).run();
}

/** One receiver, and what was sent to it. */
class Relay {
  readonly #receiver: Receiver;
  readonly #index: TaskIndex;
  readonly #wanted: Wanted;
  /** For each log, the position of the last event that was sent or need not be sent. */
  readonly #sent = new Map<EventReader, number>();
  /** The last sent event and state of each actor that is not over. */
  readonly #actors = new Map<string, { readonly seq: number; readonly state: MachineState }>();
  /** Ids of the actors that the receiver knows. */
  readonly #known = new Set<string>();

  constructor(receiver: Receiver, index: TaskIndex, wanted: Wanted) {
    this.#receiver = receiver;
    this.#index = index;
    this.#wanted = wanted;
  }

  async run(): Promise<void> {
    // Changes are noticed from now on, and sent below.
    let wake: (() => void) | undefined;
    let hasMore = true;
    const changes = this.#index.changes.subscribe(() => {
      hasMore = true;
      wake?.();
    });
    this.#receiver.gone.addEventListener("abort", () => {
      changes.unsubscribe();
      wake?.();
    });
    if (!this.#wanted.withHistory) await this.#sendPresent();
    while (this.#isOpen) {
      if (hasMore) {
        hasMore = false;
        for (const reader of this.#index.readers()) await this.#sendEvents(reader);
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  get #isOpen(): boolean {
    return !this.#receiver.gone.aborted;
  }

  #isWanted(id: string): boolean {
    const { of } = this.#wanted;
    return of === undefined || id === of || allocationOf(id) === of;
  }

  /** Registers every wanted actor in its current state. Events that arrive meanwhile are sent afterwards. */
  async #sendPresent(): Promise<void> {
    for (const reader of this.#index.readers()) this.#sent.set(reader, reader.lastPosition());
    for (const id of this.#index.ids()) {
      if (!this.#isOpen) return;
      if (!this.#isWanted(id)) continue;
      const row = this.#index.row(id);
      const present = await this.#index.present(id);
      if (row === undefined || present === undefined) continue;
      this.#remember(id, present);
      await this.#register(id, row.begunAt, present.state);
    }
  }

  /** Sends those events of a log that the receiver does not have yet. */
  async #sendEvents(reader: EventReader): Promise<void> {
    try {
      for (const event of reader.readIntact((this.#sent.get(reader) ?? 0) + 1)) {
        if (!this.#isOpen) return;
        if (this.#isWanted(event.stream)) await this.#sendEvent(maskEvent(event));
        this.#sent.set(reader, event.position);
      }
    } catch (thrown) {
      // The log was closed because another log has replaced it. The new log is read from now on.
      if (!(thrown instanceof DriverError)) throw thrown;
    }
  }

  async #sendEvent(event: StoredEvent): Promise<void> {
    const { stream: id, seq, time, type, data } = event;
    const known = this.#actors.get(id) ?? { seq: 0, state: thisMachine.initialSnapshot };
    // The actor was registered after this event, or is over.
    if (known.seq >= seq || (known.seq === 0 && seq > 1)) return;
    const before = known.state;
    const { after } = momentOf(thisMachine, before, event, undefined);
    this.#remember(id, { seq, state: after });
    await this.#register(id, time, before);
    const subject = { sessionId: id, time };
    await this.#send(eventMessage(subject, { type, ...{ time, data } }));
    await this.#send(snapshotMessage(subject, { type, ...{ time, data } }, after));
  }

  #remember(id: string, actor: { readonly seq: number; readonly state: MachineState }): void {
    // No event follows the last state.
    if (actor.state.value === "destroyed") this.#actors.delete(id);
    else this.#actors.set(id, actor);
  }

  async #register(id: string, time: number, state: MachineState): Promise<void> {
    if (this.#known.has(id)) return;
    // All actors have the same machine, whose definition is some kilobytes.
    const withDefinition = this.#known.size === 0 || this.#wanted.of !== undefined;
    this.#known.add(id);
    const name = `${taskName(id)} ${shortId(id)}`;
    await this.#send(actorMessage({ sessionId: id, time }, name, state, withDefinition));
  }

  /** Sends a message, and then gives other work a turn. */
  async #send(message: StatelyMessage): Promise<void> {
    await this.#receiver.send(message);
    await nextTurn();
  }
}
