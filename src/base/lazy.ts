/**
 * Returns a function that makes a value at its first call, and returns the same value at later calls. Pure.
 */
export function lazy<Value extends {}>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
