/** Data from the server, kept up to date while the page is open. */
import { useEffect, useState } from "preact/hooks";
import type { LiveMessage, Status } from "../views/answers.ts";
import type { TaskSummary } from "../views/taskSummary.ts";
import { ask, readStream, type StreamEnd } from "./api.ts";

export interface Live {
  /** All tasks, the newest first. */
  readonly rows: readonly TaskSummary[];
  readonly status: Status | undefined;
  /** Whether the page has got all rows. The newest ones come first. */
  readonly isComplete: boolean;
  readonly link: Link;
  /** All types of events. {@link TaskSummary.seen} has a bit for each, in this order. */
  readonly eventTypes: readonly string[];
  /** Increases with every update of the data. */
  readonly version: number;
}

/** The properties of each part of the page. A part reads its choices from the address. */
export interface PartProperties {
  readonly live: Live;
  /** The text behind the part's name in the address, for example the id of a task. */
  readonly subject: string;
}

/** `refused`: the inspector answers, but denies this page access. */
export type Link = "on" | StreamEnd;

/** Delay before the page reconnects. */
const retryMs = { off: 2_000, refused: 5_000 } as const;

export function useLive(): Live {
  const [live, setLive] = useState<Live>({
    rows: [],
    status: undefined,
    isComplete: false,
    link: "on",
    eventTypes: [],
    version: 0,
  });
  useEffect(() => {
    let rows = new Map<string, TaskSummary>();
    let status: Status | undefined;
    let eventTypes: readonly string[] = [];
    let isComplete = false;
    let drawing = 0;
    // The page is drawn at most once per frame, however many messages arrive.
    const draw = () => {
      drawing ||= requestAnimationFrame(() => {
        drawing = 0;
        const sorted = [...rows.values()].sort((a, b) => b.begunAt - a.begunAt);
        setLive(({ version }) => ({
          ...{ rows: sorted, status, isComplete, eventTypes, link: "on" as const },
          version: version + 1,
        }));
      });
    };
    const close = follow(
      (message) => {
        if (message.kind === "reset") {
          rows = new Map();
          eventTypes = message.eventTypes;
          isComplete = message.count === 0;
        }
        if (message.kind === "rows") isComplete ||= message.isAll;
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

/** Follows the live stream, and reconnects if it fails. @returns a function that stops it */
function follow(onMessage: (message: LiveMessage) => void, onLink: (link: Link) => void): () => void {
  let retry: ReturnType<typeof setTimeout> | undefined;
  let close: () => void;
  const open = () => {
    close = readStream("/api/live", {
      onMessage,
      onEnd: (why) => {
        onLink(why);
        retry = setTimeout(open, retryMs[why]);
      },
    });
  };
  open();
  return () => {
    clearTimeout(retry);
    close();
  };
}

/**
 * An answer of the API, fetched again if an argument changes. Undefined until the first answer, and after an
 * error response.
 */
export function useAnswer<T>(address: string | undefined, version: unknown = 0): T | undefined {
  return useFetched<T>(address, version).answer;
}

interface Fetched<T> {
  readonly answer: T | undefined;
  /** Whether the last response was an error, for example because the API has no such data. */
  readonly isError: boolean;
}

/** The same as {@link useAnswer}, for a caller that shows whether an answer will still come. */
export function useFetched<T>(address: string | undefined, version: unknown = 0): Fetched<T> {
  const [fetched, setFetched] = useState<Fetched<T>>({ answer: undefined, isError: false });
  useEffect(() => {
    const controller = new AbortController();
    if (address !== undefined) {
      ask(address, { signal: controller.signal })
        .then(async (response) => {
          const answer = response.ok ? ((await response.json()) as T) : undefined;
          setFetched({ answer, isError: !response.ok });
        })
        .catch(() => undefined);
    }
    return () => controller.abort();
  }, [address, version]);
  return fetched;
}
