/** CPU, memory and disk of the tasks whose rows are in sight. */
import { useEffect, useState } from "preact/hooks";
import { bytesText, type UsageFigures } from "../../../history/why/usage.ts";
import { formatBytes } from "../../../units/sizes.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { ask } from "../api.ts";
import { useInterval } from "../hooks.ts";

/** What the cells of a row show. */
export interface Use {
  readonly cpu: string;
  readonly memory: string;
  /** `240 of 300 MiB`, of its own folders. */
  readonly disk: string;
  readonly about: string;
}

/** Samples of a task are up to a minute apart, and the first ones less. */
const askEveryMs = 10_000;
/** Delay after the rows in sight have changed: while a person scrolls, they change all the time. */
const settleMs = 150;

/** The usage of rows, by their ids. It is asked for again as long as the task of a row runs. */
export function useUsage(rows: readonly TaskSummary[]): Readonly<Record<string, Use>> {
  const [known, setKnown] = useState<Readonly<Record<string, Use>>>({});
  const round = useInterval(askEveryMs);
  const ids = rows.map(({ id, endedAt }) => `${id} ${endedAt}`).join();
  useEffect(() => {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      const asked = rows.filter(({ id, endedAt }) => endedAt === null || known[id]?.about !== whole);
      if (asked.length === 0) return;
      const query = new URLSearchParams(asked.map(({ id }) => ["id", id]));
      ask(`/api/use?${query}`, { signal: controller.signal })
        .then(async (response) => {
          if (!response.ok) return;
          const figures = (await response.json()) as Readonly<Record<string, UsageFigures>>;
          const shown = asked.map((row) => [row.id, useOf(row, figures[row.id])] as const);
          setKnown((before) => ({ ...before, ...Object.fromEntries(shown) }));
        })
        .catch(() => undefined);
    }, settleMs);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [ids, round]);
  return known;
}

const whole = "CPU cores on average, and the most memory and disk";

function useOf({ endedAt, diskLimit }: TaskSummary, figures: UsageFigures | undefined): Use {
  const { cores = null, memoryBytes = null, diskBytes = null } = figures ?? {};
  return {
    cpu: cores === null ? "–" : String(Number(cores.toPrecision(2))),
    memory: memoryBytes === null ? "–" : formatBytes(memoryBytes),
    disk: diskBytes === null ? "–" : bytesText(diskBytes, diskLimit ?? null),
    about: endedAt === null ? "CPU cores, memory and disk when they were last sampled" : whole,
  };
}
