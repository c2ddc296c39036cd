/** The loaded part of a task's output, which grows at both ends. It is kept in memory only. */
import { useEffect, useState } from "preact/hooks";
import type { LogFile, LogNews, LogPage } from "../../views/answers.ts";
import type { LogLine, LogPosition } from "../../views/lineTimes.ts";
import { ask, readStream } from "../api.ts";

export interface Log {
  readonly lines: readonly LogLine[];
  readonly files: readonly LogFile[];
  readonly isBegin: boolean;
  readonly isEnd: boolean;
  readonly begin: LogPosition;
  readonly end: LogPosition;
  readonly kept?: true;
}

/** Maximum number of lines, because more would slow a browser down. Lines at the far end are dropped. */
const maxLines = 3_000;
/** Delay before reconnecting. */
const retryMs = 2_000;

export interface LogState {
  readonly log: Log | undefined;
  /** Why there is no output. */
  readonly problem: string | undefined;
  /** Whether new lines are shown as they come. */
  readonly isFollowed: boolean;
  readonly loadBefore: () => void;
  readonly loadAfter: () => void;
}

/**
 * @param query query parameters that identify the task and the stream in the API
 * @param from the position to begin at; empty for the log's end, which is then followed
 */
export function useLog(query: string, from: string): LogState {
  const [log, setLog] = useState<Log>();
  const [problem, setProblem] = useState<string>();
  const [isFollowed, setFollowed] = useState(false);
  const load = (where: string, join: (before: Log | undefined, page: LogPage) => Log) =>
    void ask(`/api/log?${query}${where}`)
      .then(async (response) => {
        if (!response.ok) return setProblem(await response.text());
        const page = (await response.json()) as LogPage;
        setProblem(undefined);
        setLog((before) => join(before, page));
      })
      .catch(() => setProblem("The inspector does not answer."));
  useEffect(() => {
    setLog(undefined);
    load(from === "" ? "" : `&from=${from}`, (_, page) => page);
  }, [query, from]);
  const isAtEnd = log?.isEnd === true && log.kept === undefined;
  useEffect(() => {
    if (!isAtEnd || log === undefined) return undefined;
    return follow(
      query,
      log.end,
      (news) => setLog((before) => before && withNews(before, news)),
      setFollowed,
    );
  }, [query, isAtEnd]);
  return {
    log,
    problem,
    isFollowed,
    loadBefore: () => log && load(`&before=${positionText(log.begin)}`, withPageBefore),
    loadAfter: () => log && load(`&from=${positionText(log.end)}`, withPageAfter),
  };
}

export function positionText({ index, offset }: LogPosition): string {
  return `${index}:${offset}`;
}

/** Follows the log. Reconnects at the last position. @returns a function that stops following */
function follow(
  query: string,
  from: LogPosition,
  onNews: (news: LogNews) => void,
  onLink: (isOn: boolean) => void,
): () => void {
  let at = from;
  let close: () => void;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const open = () => {
    close = readStream<LogNews>(`/api/log/live?${query}&from=${positionText(at)}`, {
      onOpen: () => onLink(true),
      onMessage: (news) => {
        at = news.end;
        onNews(news);
      },
      onEnd: () => {
        onLink(false);
        retry = setTimeout(open, retryMs);
      },
    });
  };
  open();
  return () => {
    clearTimeout(retry);
    close();
    onLink(false);
  };
}

function withNews(before: Log, { lines, end }: LogNews): Log {
  const [first] = lines;
  const last = before.lines.at(-1);
  const isLonger = first && last && first.index === last.index && first.offset === last.offset;
  const kept = isLonger ? before.lines.slice(0, -1) : before.lines;
  const all = [...kept, ...lines];
  const dropped = Math.max(0, all.length - maxLines);
  const begin = all[dropped] ?? before.begin;
  return {
    ...before,
    lines: all.slice(dropped),
    isBegin: before.isBegin && dropped === 0,
    begin: dropped === 0 ? before.begin : { index: begin.index, offset: begin.offset },
    end,
  };
}

function withPageBefore(before: Log | undefined, page: LogPage): Log {
  if (before === undefined) return page;
  const all = [...page.lines, ...before.lines];
  const last = all.slice(0, maxLines).at(-1);
  const isCut = all.length > maxLines && last !== undefined;
  const next = isCut ? all[maxLines] : undefined;
  return {
    files: page.files,
    lines: isCut ? all.slice(0, maxLines) : all,
    isBegin: page.isBegin,
    begin: page.begin,
    isEnd: before.isEnd && !isCut,
    end: next === undefined ? before.end : { index: next.index, offset: next.offset },
  };
}

function withPageAfter(before: Log | undefined, page: LogPage): Log {
  if (before === undefined) return page;
  const { lines, isBegin, begin } = withNews(before, page);
  return { files: page.files, lines, isBegin, begin, isEnd: page.isEnd, end: page.end };
}
