/** Lets components read and change the page's address. They are rendered again when the address changes. */
import { useEffect, useState } from "preact/hooks";
import { type Address, addressOf, type Choices, chosen, linkTo } from "./address.ts";

let present = addressOf(location.hash);
const listeners = new Set<() => void>();
/** The last choices in each part of the page, by the part's path. They return when the user comes back. */
const lastChoices = new Map<string, Choices>();

/** Browsers refuse more than about twenty changes of the address per second. */
const writeEveryMs = 200;
let writing: ReturnType<typeof setTimeout> | undefined;
let writtenAt = Number.NEGATIVE_INFINITY;

function write(): void {
  clearTimeout(writing);
  writing = undefined;
  writtenAt = performance.now();
  history.replaceState(null, "", linkTo(present.path, present.choices));
}

addEventListener("pagehide", () => writing === undefined || write());
addEventListener("hashchange", () => {
  clearTimeout(writing);
  writing = undefined;
  const before = present;
  show(addressOf(location.hash));
  if (before.path.join() !== present.path.join()) scrollTo(0, 0);
});

function show(address: Address): void {
  present = address;
  lastChoices.set(address.path.join("/"), address.choices);
  for (const listener of listeners) listener();
}

/** Goes to another part of the page, as a link does. */
export function goTo(path: readonly string[], choices?: Choices): void {
  if (writing !== undefined) write();
  location.hash = choices === undefined ? linkBack(path) : linkTo(path, choices);
}

/** A link to a part of the page. The link restores the last choices in that part. */
export function linkBack(path: readonly string[]): string {
  return linkTo(path, lastChoices.get(path.join("/")));
}

/** Changes choices without a new entry in the browser's history. An empty value removes a choice. */
export function choose(changes: Choices): void {
  show({ ...present, choices: chosen({ ...present.choices, ...changes }) });
  const wait = writtenAt + writeEveryMs - performance.now();
  if (wait <= 0) write();
  else writing ??= setTimeout(write, wait);
}

export function useAddress(): Address {
  const [address, setAddress] = useState(present);
  useEffect(() => {
    const follow = () => setAddress(present);
    follow();
    listeners.add(follow);
    return () => void listeners.delete(follow);
  }, []);
  return address;
}

/** The current value of a choice, even between two renders; empty if there is none. */
export function chosenNow(name: string): string {
  return present.choices[name] ?? "";
}

/** A choice in the current address (empty if there is none), and a function that changes the choice. */
export function useChoice(name: string): readonly [string, (value: string) => void] {
  const { choices } = useAddress();
  return [choices[name] ?? "", (value) => choose({ [name]: value })];
}
