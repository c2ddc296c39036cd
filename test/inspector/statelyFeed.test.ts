import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Feed } from "../../src/inspector/page/stately/feed.ts";
import {
  actorMessage,
  eventMessage,
  type StatelyMessage,
  snapshotMessage,
} from "../../src/inspector/stately/messages.ts";
import { thisMachine } from "../../src/machines/machineVersion.ts";

const state = thisMachine.initialSnapshot;

/** What the relay sends of events of some actors, which it registers before their first event. */
function messagesOf(events: readonly number[]): StatelyMessage[] {
  const known = new Set<number>();
  return events.flatMap((actor, time) => {
    const subject = { sessionId: String(actor), time };
    const isNew = !known.has(actor);
    known.add(actor);
    return [
      ...(isNew ? [actorMessage(subject, "web", state)] : []),
      eventMessage(subject, { type: "started" }),
      snapshotMessage(subject, { type: "started" }, state),
    ];
  });
}

function feedOf(isReplay: boolean): { readonly feed: Feed; readonly posted: StatelyMessage[] } {
  const posted: StatelyMessage[] = [];
  return {
    feed: new Feed(
      isReplay,
      (message) => posted.push(message),
      () => {},
    ),
    posted,
  };
}

const anyEvents = fc.array(fc.nat(3), { maxLength: 12 });

describe("a feed", () => {
  it("that is live posts each message at once", () => {
    fc.assert(
      fc.property(anyEvents, (events) => {
        const { feed, posted } = feedOf(false);
        for (const message of messagesOf(events)) feed.take(message);
        expect(posted).toEqual(messagesOf(events));
        expect([feed.sent, feed.waiting]).toEqual([events.length, 0]);
      }),
    );
  });

  it("that is a replay posts one event with its state at each step, in order, however they are asked for", () => {
    fc.assert(
      fc.property(anyEvents, fc.array(fc.boolean(), { maxLength: 40 }), (events, steps) => {
        const { feed, posted } = feedOf(true);
        const messages = messagesOf(events);
        let taken = 0;
        for (const isStep of steps) {
          const before = feed.sent;
          if (isStep) {
            feed.sendNext();
            expect(feed.sent - before).toBeLessThanOrEqual(1);
          } else if (taken < messages.length) feed.take(messages[taken++] as StatelyMessage);
          expect(feed.sent).toBe(posted.filter(({ type }) => type === "@xstate.snapshot").length);
        }
        for (const message of messages.slice(taken)) feed.take(message);
        expect(feed.sent + feed.waiting).toBe(events.length);
        while (feed.waiting > 0) feed.sendNext();
        expect(posted).toEqual(messages);
      }),
    );
  });

  it("posts all that waits on request, and shows the first actor before any event", () => {
    const { feed, posted } = feedOf(true);
    const messages = messagesOf([1, 1, 2, 1]);
    const last = messages.splice(-3);
    for (const message of messages) feed.take(message);
    expect(posted.map(({ type }) => type)).toEqual(["@xstate.actor"]);
    feed.sendAll();
    expect(posted).toEqual(messages);
    // What comes later is sent, too: the click may be quicker than a long history.
    for (const message of last) feed.take(message);
    expect(posted).toEqual(messagesOf([1, 1, 2, 1]));
    expect([feed.sent, feed.waiting]).toEqual([4, 0]);
  });
});
