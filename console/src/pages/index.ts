import type { ComponentType } from "react";
import type { IconName } from "../parts/icon";

type Params = Readonly<Record<string, string>>;
/** What a page's module holds: its component, given the parts of its address. */
export interface PageModule {
  default: ComponentType<{ params: Params }>;
}

export interface PageEntry {
  /** Its address, as wouter spells patterns: `/runs/:run`. */
  path: string;
  load: () => Promise<PageModule>;
  /** Where it stands in the navigation, if it does. */
  nav?: { label: string; icon: IconName; group: "work" | "record"; order: number };
  /** The action without which it is not in the navigation. */
  needs?: string;
  /** In the navigation of those alone who see all projects. */
  everywhere?: boolean;
}

/** Every page of the console; each is a chunk of its own, asked for when it is gone to. */
export const PAGES: readonly PageEntry[] = [
  {
    path: "/",
    load: () => import("./overview/overview"),
    nav: { label: "Overview", icon: "home", group: "work", order: 0 },
  },
  {
    path: "/runs",
    load: () => import("./runs/runs"),
    nav: { label: "Runs", icon: "runs", group: "work", order: 10 },
  },
  { path: "/runs/new", load: () => import("./runs/new"), needs: "run" },
  { path: "/runs/:run", load: () => import("./runs/run") as Promise<PageModule> },
  {
    path: "/pipelines",
    load: () => import("./pipelines/pipelines"),
    nav: { label: "Pipelines", icon: "pipelines", group: "work", order: 20 },
  },
  { path: "/pipelines/:pipeline", load: () => import("./pipelines/pipeline") },
  { path: "/flows/new", load: () => import("./pipelines/new"), needs: "run" },
  { path: "/flows/:flow", load: () => import("./pipelines/flow") },
  {
    path: "/sweeps",
    load: () => import("./sweeps/sweeps"),
    nav: { label: "Sweeps", icon: "sweeps", group: "work", order: 25 },
  },
  { path: "/sweeps/:sweep", load: () => import("./sweeps/sweep") },
  { path: "/compare", load: () => import("./compare/compare") },
  {
    path: "/data",
    load: () => import("./data/datasets"),
    nav: { label: "Data", icon: "data", group: "work", order: 30 },
  },
  { path: "/data/add", load: () => import("./data/add") },
  { path: "/data/:dataset/diff", load: () => import("./data/diff") },
  { path: "/data/:dataset/:number", load: () => import("./data/version") },
  { path: "/data/:dataset/:number/access", load: () => import("./data/access") },
  {
    path: "/models",
    load: () => import("./models/models"),
    nav: { label: "Models", icon: "models", group: "work", order: 40 },
  },
  { path: "/models/:sha256", load: () => import("./models/model") },
  { path: "/lineage/:kind/:name", load: () => import("./lineage/lineage") },
  {
    path: "/erase",
    load: () => import("./erase/erase"),
    nav: { label: "Erasure", icon: "erase", group: "record", order: 20 },
    needs: "trace",
  },
  {
    path: "/approvals",
    load: () => import("./approvals/approvals"),
    nav: { label: "Approvals", icon: "approvals", group: "record", order: 10 },
  },
  {
    path: "/ledger",
    load: () => import("./ledger/ledger"),
    nav: { label: "Ledger", icon: "ledger", group: "record", order: 20 },
    needs: "audit",
    everywhere: true,
  },
  { path: "/ledger/:index", load: () => import("./ledger/entry") },
  {
    path: "/recovery",
    load: () => import("./recovery/recovery"),
    nav: { label: "Recovery", icon: "recovery", group: "record", order: 30 },
  },
  {
    path: "/people",
    load: () => import("./people/people"),
    nav: { label: "People", icon: "people", group: "record", order: 40 },
  },
  {
    path: "/projects",
    load: () => import("./projects/projects"),
    nav: { label: "Projects", icon: "projects", group: "record", order: 50 },
  },
  {
    path: "/tokens",
    load: () => import("./tokens/tokens"),
    nav: { label: "Tokens", icon: "tokens", group: "record", order: 60 },
  },
  {
    path: "/sessions",
    load: () => import("./sessions/sessions"),
    nav: { label: "Sessions", icon: "sessions", group: "record", order: 70 },
  },
  {
    path: "/queue",
    load: () => import("./queue/queue"),
    nav: { label: "Queue", icon: "queue", group: "work", order: 50 },
  },
];
