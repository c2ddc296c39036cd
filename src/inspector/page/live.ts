/** What the server tells, kept up to date while the page is open. */
import { useEffect, useState } from "preact/hooks";
import type { LiveMessage } from "../server/liveStream.ts";
import type { Status } from "../server/logWatch.ts";
import type { TaskSummary } from "../views/taskSummary.ts";

export interface Live {
  /** The newest first. */
  readonly rows: readonly TaskSummary[];
  readonly status: Status | undefined;
  readonly link: Link;
  /** Counts the changes. */
  readonly version: number;
}

/** `refused`: the inspector answers, and does not let this page in (any more). */
export type Link = "on" | "off" | "refused";

/** A browser does not ask again by itself once it was refused. */
const againMs = 5_000;

export function useLive(): Live {
  const [live, setLive] = useState<Live>({ rows: [], status: undefined, link: "on", version: 0 });
  useEffect(() => {
    let rows = new Map<string, TaskSummary>();
    let status: Status | undefined;
    let drawing = 0;
    // However much comes, the page is drawn at most once a frame.
    const draw = () => {
      drawing ||= requestAnimationFrame(() => {
        drawing = 0;
        const sorted = [...rows.values()].sort((a, b) => b.begunAt - a.begunAt);
        setLive(({ version }) => ({ rows: sorted, status, link: "on", version: version + 1 }));
      });
    };
    const close = follow(
      (message) => {
        if (message.kind === "reset") rows = new Map();
        if (message.kind === "status") status = message.status;
        if (message.kind === "rows") {
          for (const row of message.rows) rows.set(row.id, row);
          for (const id of message.gone) rows.delete(id);
        }
        draw();
      },
      (link) => setLive((before) => ({ ...before, link })),
    );
    return () => {
      close();
      cancelAnimationFrame(drawing);
    };
  }, []);
  return live;
}

/** Listens, and goes on trying where nobody answers. @returns ends it */
function follow(take: (message: LiveMessage) => void, tellLink: (link: Link) => void): () => void {
  let again: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource;
  const open = () => {
    source = new EventSource("/api/live");
    source.onmessage = ({ data }: MessageEvent<string>) => take(JSON.parse(data) as LiveMessage);
    source.onerror = () => {
      const refused = source.readyState === EventSource.CLOSED;
      tellLink(refused ? "refused" : "off");
      if (refused) again = setTimeout(open, againMs);
    };
  };
  open();
  return () => {
    clearTimeout(again);
    source.close();
  };
}

/** What the API answers; undefined until it has, or where it refuses. Asked again when the address or the version changes. */
export function useAnswer<T>(address: string | undefined, version: unknown = 0): T | undefined {
  const [answer, setAnswer] = useState<T>();
  useEffect(() => {
    const controller = new AbortController();
    if (address !== undefined) {
      fetch(address, { signal: controller.signal })
        .then(async (response) => setAnswer(response.ok ? ((await response.json()) as T) : undefined))
        .catch(() => undefined);
    }
    return () => controller.abort();
  }, [address, version]);
  return answer;
}
