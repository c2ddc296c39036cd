/** Notifications of the browser about failures. Off until the person asks for them in this browser. */
import { useEffect, useRef } from "preact/hooks";
import { visible } from "../../../units/visible.ts";
import type { TaskSummary } from "../../views/taskSummary.ts";
import { linkTo } from "../address.ts";
import { labelOf } from "./find.ts";

const storageKey = "notify-of-failures";

/** Whether the browser has notifications for this page: only in a secure context, so by HTTPS or on localhost. */
export function canNotify(): boolean {
  return isSecureContext && "Notification" in globalThis;
}

export function isNotifying(): boolean {
  if (!canNotify() || Notification.permission !== "granted") return false;
  try {
    return localStorage.getItem(storageKey) === "on";
  } catch {
    return false;
  }
}

/** Asks the person's permission. @returns whether notifications come from now on */
export async function startNotifying(): Promise<boolean> {
  if ((await Notification.requestPermission()) !== "granted") return false;
  try {
    localStorage.setItem(storageKey, "on");
  } catch {
    return false;
  }
  return true;
}

export function stopNotifying(): void {
  localStorage.removeItem(storageKey);
}

/** More failures than this that come together are one notification. */
const maxSingle = 3;

/** Notifies of the failures of tasks that end while the page is open. @param isReady whether all tasks are known */
export function useNotifications(rows: readonly TaskSummary[], isReady: boolean): void {
  const seen = useRef<Set<string>>(undefined);
  useEffect(() => {
    if (!isReady) return;
    const failed = rows.filter(({ cause, outcome }) => cause !== null && outcome.tone === "bad");
    const known = seen.current;
    seen.current = new Set(failed.map(({ id }) => id));
    if (known === undefined || !isNotifying()) return;
    const news = failed.filter(({ id }) => !known.has(id));
    if (news.length > maxSingle) notify(`${news.length} tasks failed`, "exec2", linkTo(["failures"]));
    else for (const row of news) notify(titleOf(row), row.outcome.text, linkTo(["task", row.id]), row.id);
  }, [rows, isReady]);
}

function titleOf(row: TaskSummary): string {
  return row.job === null ? `${labelOf(row)} failed` : `${labelOf(row)} of ${row.job} failed`;
}

/** @param tag a notification replaces an earlier one with the same tag, also of another tab */
function notify(title: string, body: string, address: string, tag = "exec2"): void {
  const shown = new Notification(visible(title), { body: visible(body), tag });
  shown.onclick = () => {
    focus();
    location.hash = address;
    shown.close();
  };
}
