/** A value that is made when it is first asked for, and then kept. Pure. */
export function lazy<Value extends {}>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
