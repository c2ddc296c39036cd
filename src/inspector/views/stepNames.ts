/** The types of events and the states by number, as the server knows them. Pure. */
import { eventTypes, traitsOf } from "../../machines/events.ts";
import { isStateName, taskStates } from "../../machines/taskMachine.ts";
import { type EventKind, type StepNames, unknown } from "./stepTable.ts";

const states = Object.keys(taskStates);

export const stepNames: StepNames = {
  kinds: eventTypes.flatMap((type): EventKind | [] => {
    const traits = traitsOf(type);
    if (traits === undefined) return [];
    const { title, shown } = traits;
    return { type, title, category: shown.category, group: shown.group };
  }),
  states,
};

const kindNumbers = new Map<string, number>(eventTypes.map((type, index) => [type, index]));

export function kindNumber(type: string): number {
  return kindNumbers.get(type) ?? unknown;
}

export function stateNumber(state: string): number {
  return isStateName(state) ? states.indexOf(state) : unknown;
}
