/** The relay and the library entry, tested with the client and the server of `@statelyai/inspect`. */
import { createWebSocketInspector, createWebSocketReceiver } from "@statelyai/inspect";
import { createInspectorServer } from "@statelyai/inspect/server";
import { describe, expect, it, onTestFinished } from "vitest";
import { createActor } from "xstate";
import { type StatelyMessage, statelyInspection, taskMachine } from "../../src/inspector/stately/index.ts";
import { event, life, requestWith } from "../support/history/history.ts";
import { eventually } from "../support/host/eventually.ts";
import { freePort } from "../support/host/loopback.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

type Received = {
  readonly type: string;
  readonly sessionId: string;
  readonly snapshot?: { readonly value: string };
};

function receive(server: string): Received[] {
  const received: Received[] = [];
  createWebSocketReceiver({ server }).subscribe((message) => received.push(message as unknown as Received));
  return received;
}

const statesOf = (received: readonly Received[], id: string) =>
  received
    .filter(({ type, sessionId }) => type === "@xstate.snapshot" && sessionId === id)
    .map((each) => each.snapshot?.value);

describe("the relay", () => {
  it("registers every task with its current state, even hundreds of tasks, and tasks that begin later", async () => {
    const { server, record, ask } = await startInspector();
    for (let number = 0; number < 300; number++) await record(idOf(number), life("recovered").slice(0, 6));
    await eventually(async () => expect(JSON.parse((await ask("/api/tasks")).body)).toHaveLength(300));
    const address = await server.relay();
    for (const received of [receive(address), receive(address)]) {
      await eventually(() => expect(received).toHaveLength(300));
      expect(new Set(received.map(({ sessionId }) => sessionId)).size).toBe(300);
      for (const message of received)
        expect(message).toMatchObject({ type: "@xstate.actor", snapshot: { value: "recovered" } });
    }
  });

  it("sends every event with the state after it, in order, even in a burst", async () => {
    const { server, record } = await startInspector();
    const received = receive(await server.relay());
    const [requested, ...rest] = life("killed");
    await record(idOf(1), requested ? [requested] : []);
    await eventually(() => expect(received).toMatchObject([{ type: "@xstate.actor" }]));
    await record(idOf(1), rest);
    const states = [
      "fingerprinted",
      "sandboxed",
      "running",
      "stopping",
      "stopping",
      "killing",
      "killing",
      "exited",
      "destroyed",
    ];
    await eventually(() => expect(statesOf(received, idOf(1))).toEqual(states));
    expect(received.filter(({ type }) => type === "@xstate.event")).toHaveLength(states.length);
  });

  it("sends recorded events on request, without secrets", async () => {
    const { server, record, ask } = await startInspector();
    await record(idOf(1), [requestWith({ args: ["correct-horse"] }), event("fingerprinted")]);
    await eventually(async () => expect((await ask("/api/tasks")).body).toContain("fingerprinted"));
    const received = receive(`${await server.relay()}&history`);
    await eventually(() => expect(statesOf(received, idOf(1))).toEqual(["pending", "fingerprinted"]));
    expect(JSON.stringify(received)).not.toContain("correct-horse");
  });
});

it("the relay sends of a task or an allocation only its actors, each with the machine's definition", async () => {
  const { server, record, ask } = await startInspector();
  const [web, side, other] = [idOf(1), idOf(1, "side"), idOf(2)];
  for (const id of [web, side, other]) await record(id, life("ended"));
  await eventually(async () => expect(JSON.parse((await ask("/api/tasks")).body)).toHaveLength(3));
  for (const [of, ids] of [
    [web, [web]],
    [web.split("/")[0] ?? "", [web, side]],
  ] as const) {
    const received = receive(`${await server.relay()}&history&of=${encodeURIComponent(of)}`);
    await eventually(() => expect(statesOf(received, ids.at(-1) ?? "").at(-1)).toBe("destroyed"));
    expect(new Set(received.map(({ sessionId }) => sessionId))).toEqual(new Set(ids));
    const actors = received.filter(({ type }) => type === "@xstate.actor");
    expect(actors.map((actor) => "definition" in actor)).toEqual(ids.map(() => true));
  }
});

describe("the relay of a whole log", () => {
  it("starts each actor in its first state, keeps chronological order, and sends the definition once", async () => {
    const { server, record, ask } = await startInspector();
    const [first, second] = [idOf(1), idOf(2)];
    await record(first, life("ended").slice(0, 3));
    await record(second, life("killed"));
    await record(first, life("ended").slice(3));
    await eventually(async () => expect(JSON.parse((await ask("/api/tasks")).body)).toHaveLength(2));
    const received = receive(`${await server.relay()}&history`);
    await eventually(() => expect(statesOf(received, first).at(-1)).toBe("destroyed"));
    const actors = received.filter(({ type }) => type === "@xstate.actor");
    expect(actors.map(({ sessionId, snapshot }) => [sessionId, snapshot?.value])).toEqual([
      [first, "pending"],
      [second, "pending"],
    ]);
    expect(actors.map((actor) => "definition" in actor)).toEqual([true, false]);
    const told = received.filter(({ type }) => type === "@xstate.event").map(({ sessionId }) => sessionId);
    expect(told).toEqual([...Array(3).fill(first), ...Array(10).fill(second), ...Array(3).fill(first)]);
  });

  it("lets other work run between two messages", async () => {
    const { server, record, ask } = await startInspector();
    for (let number = 0; number < 200; number++) await record(idOf(number), life("killed"));
    await eventually(async () => expect(JSON.parse((await ask("/api/tasks")).body)).toHaveLength(200));
    const received = receive(`${await server.relay()}&history`);
    await eventually(() => expect(received.length).toBeGreaterThan(0));
    await ask("/api/status");
    // There are some four thousand messages. The answer came before all of them were sent.
    expect(received.length).toBeLessThan(4_000);
    await eventually(() => expect(received.length).toBe(200 * 21));
  });
});

describe("the machine in a program", () => {
  it("is inspected through XState's own option; restored machines have their current state", async () => {
    const told: StatelyMessage[] = [];
    const inspect = statelyInspection((message) => told.push(message));
    const actor = createActor(taskMachine, { inspect }).start();
    for (const each of life("ended").slice(0, 4)) actor.send(each);
    const messages = told.filter(({ type }) => type === "@xstate.snapshot") as {
      snapshot: { value: string };
    }[];
    expect(messages.map(({ snapshot }) => snapshot.value).slice(-4)).toEqual([
      "pending",
      "fingerprinted",
      "sandboxed",
      "running",
    ]);
    expect(told[0]).toMatchObject({ type: "@xstate.actor", name: "task", snapshot: { value: "pending" } });
    told.length = 0;
    createActor(taskMachine, { snapshot: actor.getPersistedSnapshot(), inspect }).start();
    expect(told[0]).toMatchObject({ type: "@xstate.actor", snapshot: { value: "running" } });
    const { definition } = told[0] as { definition: string };
    expect(JSON.parse(definition)).toMatchObject({
      id: "task",
      states: { running: { entry: ["watchExit"] } },
    });
  });

  it("reaches a client by way of the library's own server", async () => {
    const port = await freePort();
    const relay = createInspectorServer({ port, autoOpen: false });
    onTestFinished(() => relay.stop());
    const received = receive(`ws://localhost:${port}`);
    const { adapter } = createWebSocketInspector({ url: `ws://localhost:${port}` });
    onTestFinished(() => adapter.stop?.());
    const actor = createActor(taskMachine, {
      inspect: statelyInspection((message) => adapter.send(message as never)),
    });
    actor.start();
    actor.send(life("ended")[0] ?? event("requested"));
    await eventually(() => expect(received.map(({ type }) => type)).toContain("@xstate.snapshot"));
    expect(received[0]).toMatchObject({ type: "@xstate.actor", name: "task" });
  });
});
