/** Keys that work wherever the focus is, but for where somebody writes, or scrolls with them. */
import { useEffect } from "preact/hooks";

/** @param handle by the key's name; called until the component goes */
export function useKeys(handle: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const action = Object.hasOwn(handle, event.key) ? handle[event.key] : undefined;
      const own = event.target instanceof Element && usesKeys(event.target);
      if (action === undefined || own || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}

function usesKeys(target: Element): boolean {
  return target instanceof HTMLInputElement || target.scrollWidth > target.clientWidth;
}
