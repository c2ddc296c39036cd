/** HCL2's collection functions. Pure. */
import { setOf } from "../types.ts";
import {
  byText,
  distinct,
  entriesOf,
  isEqual,
  isList,
  isMap,
  itemOf,
  keysOf,
  kindOf,
  mapOf,
  textOf,
  type Value,
} from "../values.ts";
import {
  anything,
  type Functions,
  fail,
  list,
  map,
  number,
  type Parameter,
  takes,
  takesMany,
  texts,
  whole,
} from "./define.ts";

const collection: Parameter<Value> = {
  expected: "a list or a map",
  read: (value) => (isList(value) || isMap(value) ? value : undefined),
};

export const collectionFunctions: Functions = {
  chunklist: takes([list, whole], chunklist),
  coalesce: takesMany(
    [],
    anything,
    1,
    (...values) => values.find((value) => value !== null) ?? fail("all of its parameters are null"),
  ),
  coalescelist: takesMany(
    [],
    list,
    1,
    (...lists) => lists.find((each) => each.length > 0) ?? fail("all of its lists are empty"),
  ),
  compact: takes([list], (values) => values.filter((value) => value !== "" && value !== null)),
  concat: takesMany([], list, 1, (...lists) => lists.flat(1)),
  contains: takes([list, anything], (values, value) => values.some((each) => isEqual(each, value))),
  distinct: takes([list], distinct),
  element: takes([list, whole], (values, index) => {
    if (values.length === 0) fail("its list is empty");
    if (index < 0) fail("its position must not be negative");
    return values[index % values.length] as Value;
  }),
  flatten: takes([list], (values) => flatten(values)),
  index: takes([collection, anything], (values, key) => itemOf(values, key, "")),
  keys: takes([map], keysOf),
  length: takes([collection], (values) => entriesOf(values)?.length ?? 0),
  lookup: takes([map, anything, anything], (values, key, fallback) => {
    const name = textOf(key) ?? "";
    return Object.hasOwn(values, name) ? (values[name] as Value) : fallback;
  }),
  merge: takesMany([], anything, 0, (...maps) =>
    mapOf(
      maps
        .filter((each) => each !== null)
        .flatMap((each) =>
          isMap(each) ? Object.entries(each) : fail(`it merges maps, not ${kindOf(each)}`),
        ),
    ),
  ),
  range: takesMany([], number, 1, range),
  setintersection: takesMany([], list, 1, (first, ...others) =>
    setOf(
      (first ?? []).filter((value) => others.every((other) => other.some((each) => isEqual(each, value)))),
    ),
  ),
  setproduct: takesMany([], list, 2, product),
  setunion: takesMany([], list, 1, (...sets) => setOf(sets.flat(1))),
  slice: takes([list, whole, whole], (values, start, end) => {
    const fits = start >= 0 && start <= end && end <= values.length;
    return fits
      ? values.slice(start, end)
      : fail(`${start} to ${end} is not part of a list of ${values.length} items`);
  }),
  sort: takes([texts], (values) => values.toSorted(byText)),
  values: takes([map], (values) => keysOf(values).map((key) => values[key] as Value)),
  zipmap: takes([texts, list], (keys, values) => {
    if (keys.length !== values.length) fail(`it has ${keys.length} keys for ${values.length} values`);
    return mapOf(keys.map((key, index) => [key, values[index] as Value]));
  }),
};

function flatten(values: readonly Value[]): Value[] {
  return values.flatMap((value) => (isList(value) ? flatten(value) : [value]));
}

function chunklist(values: readonly Value[], size: number): Value {
  if (size < 0) fail("its size must not be negative");
  if (size === 0) return values.length === 0 ? [] : [values];
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    values.slice(index * size, (index + 1) * size),
  );
}

/** `range(end)`, `range(start, end)` or `range(start, end, step)`: at most 1024 numbers, as in HCL. */
function range(...numbers: readonly number[]): Value {
  if (numbers.length > 3) fail("it takes at most 3 parameters");
  const [first = 0, second] = numbers;
  const [start, end] = second === undefined ? [0, first] : [first, second];
  const step = numbers[2] ?? (end < start ? -1 : 1);
  if (step === 0) fail("its step must not be 0");
  if (step > 0 !== end >= start && end !== start) fail("its step leads away from the end");
  const result: number[] = [];
  for (let value = start; step > 0 ? value < end : value > end; value += step) {
    if (result.push(value) > 1_024) fail("it would have more than 1024 numbers");
  }
  return result;
}

function product(...sets: readonly (readonly Value[])[]): Value {
  const size = sets.reduce((count, each) => count * each.length, 1);
  if (size > 100_000) fail(`it would have ${size} items`);
  return sets.reduce<Value[][]>(
    (rows, each) => rows.flatMap((row) => each.map((value) => [...row, value])),
    [[]],
  );
}
