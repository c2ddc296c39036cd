/** The highest ABI that tests know the rights of. */
export const LATEST_ABI = 7;
