import { useQuery } from "@tanstack/react-query";
import { get } from "./client";

export interface Me {
  person: string;
  name: string;
  role: string;
  by: "session" | "token";
  present: boolean;
  actions: string[];
  grave: string[];
  projects: string[];
  /** Whether they see all projects. */
  everywhere: boolean;
  until: string | null;
  lab: {
    id: string;
    version: string;
    keys: string;
    development_seal: boolean;
    at: number;
  };
}

/** Whoever looks, once the shell has asked. */
export function useMe(): Me | undefined {
  return useQuery({
    queryKey: ["me"],
    queryFn: () => get<Me>("/me"),
    staleTime: 5_000, // many parts of a page ask
  }).data;
}

/** Whether whoever looks may do that; what is grave, after showing who they are. */
export function useMay(action: string): boolean {
  return useMe()?.actions.includes(action) ?? false;
}
