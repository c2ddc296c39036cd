/** What the server tells, kept up to date while the page is open. */
import { useEffect, useState } from "preact/hooks";
import type { LiveMessage } from "../liveStream.ts";
import type { Status } from "../logWatch.ts";
import type { TaskSummary } from "../taskSummary.ts";

export interface Live {
  /** The newest first. */
  readonly rows: readonly TaskSummary[];
  readonly status: Status | undefined;
  readonly connected: boolean;
}

export function useLive(): Live {
  const [live, setLive] = useState<Live>({ rows: [], status: undefined, connected: true });
  useEffect(() => {
    let rows = new Map<string, TaskSummary>();
    const source = new EventSource("/api/live");
    source.onerror = () => setLive((before) => ({ ...before, connected: false }));
    source.onmessage = ({ data }: MessageEvent<string>) => {
      const message = JSON.parse(data) as LiveMessage;
      if (message.kind === "reset") rows = new Map();
      if (message.kind === "rows") {
        for (const row of message.rows) rows.set(row.id, row);
        for (const id of message.gone) rows.delete(id);
      }
      const sorted = [...rows.values()].sort((a, b) => b.begunAt - a.begunAt);
      const told = message.kind === "status" ? { status: message.status } : {};
      setLive((before) => ({ ...before, ...told, rows: sorted, connected: true }));
    };
    return () => source.close();
  }, []);
  return live;
}

/** What the API answers; undefined until it has, or where it refuses. Asked again when the address or the version changes. */
export function useAnswer<T>(address: string | undefined, version: unknown = 0): T | undefined {
  const [answer, setAnswer] = useState<T>();
  useEffect(() => {
    const { signal, abort } = withAbort();
    if (address !== undefined) {
      fetch(address, { signal })
        .then(async (response) => setAnswer(response.ok ? ((await response.json()) as T) : undefined))
        .catch(() => undefined);
    }
    return abort;
  }, [address, version]);
  return answer;
}

function withAbort() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
