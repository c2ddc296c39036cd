import { memoryEventStore } from "../support/history/memoryEventStore.ts";
import { eventStoreContract } from "./eventStoreContract.ts";

eventStoreContract("memory", async () => memoryEventStore());
