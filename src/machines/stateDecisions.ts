/**
 * Whether a decision of a machine hangs on its state and the type of the event
 * alone: read off the machine's definition, where nothing but targets and named
 * actions may stand. A guard, an eventless or delayed transition, an invoked
 * actor or an action given as a function make it hang on more. Pure.
 */

/** What is read of a machine: XState's `StateMachine`, made by `setup`, has it. */
interface Definition {
  readonly config: object;
}

/**
 * @param known names of actions whose whole effect the caller knows
 * @param from name of the state in which the event comes
 * @param to name of the state that it leads to
 */
export function isDecidedByState(
  { config }: Definition,
  known: ReadonlySet<string>,
  { from, to, type }: { readonly from: string; readonly to: string; readonly type: string },
): boolean {
  const { states = {}, ...root } = config as { readonly states?: Record<string, object> };
  const [source, target] = [states[from], states[to]];
  if (source === undefined || target === undefined) return false;
  if (!hasOnly(root, rootKeys) || !isPlainState(source) || !isPlainState(target)) return false;
  const { on = {} } = source;
  const actions = [source.entry, target.entry, on[type]?.actions].flatMap((each) => each ?? []);
  if (!actions.every((action) => typeof action === "string" && known.has(action))) return false;
  if (Object.keys(on).some((key) => key.includes("*"))) return false;
  const transition = on[type];
  return transition === undefined || hasOnly(transition, transitionKeys);
}

/** `schemas` is what `setup` adds: types alone. */
const rootKeys = ["id", "context", "initial", "schemas"];
const stateKeys = ["entry", "on", "type"];
const transitionKeys = ["target", "actions", "reenter"];

interface PlainState {
  readonly entry?: unknown;
  readonly on?: Readonly<Record<string, { readonly actions?: unknown }>>;
}

function isPlainState(state: object): state is PlainState {
  return hasOnly(state, stateKeys);
}

/** Neither a list of transitions nor the name of a target alone has keys like these. */
function hasOnly(part: object, keys: readonly string[]): boolean {
  return (
    typeof part === "object" && !Array.isArray(part) && Object.keys(part).every((key) => keys.includes(key))
  );
}
