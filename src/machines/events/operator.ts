/** What operators do with a running task from outside its sandbox. Pure. */
import { z } from "zod";
import { formatTimes } from "../../units/counts.ts";
import { visible } from "../../units/visible.ts";
import { defineEvent } from "./defineEvent.ts";

/** What an operator can do, by the verb of the command line that does it. */
export const operatorActs = ["copyOut", "copyIn", "debug", "forward"] as const;

export type OperatorAct = (typeof operatorActs)[number];

/** An operator was about to do something, when it was recorded. Whether it then succeeded is not recorded. */
const operated = defineEvent({
  schema: z.object({
    act: z.enum(operatorActs),
    /** A path in the task, a program of the host, or a port or socket of the task. No arguments or output. */
    what: z.string(),
    /** The operator's login, as the operator's program knows it. */
    by: z.string(),
  }),
  evolve: () => ({}),
  title: "Operator at work",
  summary: ({ act, what, by }) => `${by} ${words[act].now(what)}`,
  sentences: (facts) =>
    operatorActs.flatMap((act) => {
      const of = facts.filter(({ data }) => data.act === act);
      const last = of.at(-1)?.data;
      if (last === undefined) return [];
      const times = of.length === 1 ? "" : `, the last of ${formatTimes(of.length)}`;
      return { of, text: `Operator ${visible(last.by)} ${words[act].past(visible(last.what))}${times}` };
    }),
  shown: { tone: "plain", category: "command", group: "opens", parties: ["driver", "task"] },
  fields: { ignored: [], masked: {} },
});

const words: Readonly<
  Record<OperatorAct, { readonly now: (what: string) => string; readonly past: (what: string) => string }>
> = {
  copyOut: {
    now: (what) => `copies ${what} out of the task`,
    past: (what) => `copied ${what} out of it`,
  },
  copyIn: {
    now: (what) => `copies files to ${what} in the task`,
    past: (what) => `copied files to ${what} in it`,
  },
  debug: {
    now: (what) => `runs ${what} of the host in the task's namespaces, outside its sandbox`,
    past: (what) => `ran ${what} of the host in its namespaces, outside its sandbox`,
  },
  forward: {
    now: (what) => `forwards connections to ${what} in the task's network`,
    past: (what) => `forwarded connections to ${what} in its network`,
  },
};

export const operator = { operated };
