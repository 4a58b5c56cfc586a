import type { OneRun } from "../runs/types";

/** What a run is called beside others: by its name where it has but one. */
export function titleOf(one: OneRun): string {
  const single = one.tracked.length === 1 ? one.tracked[0]?.name : null;
  return single || (one.fenced?.run ?? one.run);
}
