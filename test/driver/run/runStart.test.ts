import { expect, it } from "vitest";
import { RunStart } from "../../../src/driver/run/runStart.ts";

it("a start that is refused while it waits for names prepares nothing, and nothing of it is under way then", async () => {
  const named = Promise.withResolvers<void>();
  const done: string[] = [];
  const egress = {
    limits: () => true,
    resolve: () => named.promise.then(() => done.push("resolved")),
    release: () => named.resolve(),
  };
  const services = () => done.push("prepares");
  const start = new RunStart({ services } as never, { egress, denials: {} } as never);
  start.request({ options: {} } as never, () => undefined);
  const preparing = start.prepare();
  await start.refuse();
  expect(done).toEqual(["resolved"]);
  await preparing;
  expect(done).toEqual(["resolved"]);
});
