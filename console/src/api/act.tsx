import { type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query";
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useRef,
  useState,
} from "react";
import { Prove } from "../shell/prove";
import { Refusal } from "./client";

type Shown = () => Promise<boolean>;
const Presence = createContext<Shown>(async () => false);

/** Asks whoever looks to show again who they are, where an act needs that. */
export function PresenceProvider({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState(false);
  const settle = useRef<(shown: boolean) => void>(() => {});
  const ask = useCallback<Shown>(
    () =>
      new Promise((resolve) => {
        settle.current = resolve;
        setOpen(true);
      }),
    [],
  );
  const end = useCallback((shown: boolean) => {
    setOpen(false);
    settle.current(shown);
  }, []);
  return (
    <Presence.Provider value={ask}>
      {children}
      {open ? <Prove onEnd={end} /> : null}
    </Presence.Provider>
  );
}

/** `act`, and once more after showing who one is where that is what it was refused for. */
export function usePresent(): <T>(act: () => Promise<T>) => Promise<T> {
  const show = useContext(Presence);
  return useCallback(
    async (act) => {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof Refusal) || error.prove === null || !(await show())) throw error;
        return act();
      }
    },
    [show],
  );
}

/** Something that changes the record: what it made stale is asked for again.
 *
 * `stale` are the first parts of query keys. */
export function useAct<Given = void, Made = unknown>(
  act: (given: Given) => Promise<Made>,
  stale: readonly string[] = [],
): UseMutationResult<Made, Error, Given> {
  const present = usePresent();
  const queries = useQueryClient();
  return useMutation<Made, Error, Given>({
    mutationFn: (given) => present(() => act(given)),
    onSuccess: () =>
      Promise.all(stale.map((key) => queries.invalidateQueries({ queryKey: [key] }))),
  });
}
