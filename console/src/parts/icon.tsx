const PATHS = {
  home: "M3 11 12 4l9 7M6 9v11h12V9",
  runs: "M4 18 9 11l4 4 7-10M4 21h16",
  pipelines: "M3 9h6v6H3zM15 4h6v6h-6zM15 14h6v6h-6zM9 12h3M15 7h-3v10h3",
  sweeps: "M5 4v16M12 4v16M19 4v16M5 15l7-7 7 5",
  queue: "M5 6h14M5 12h14M5 18h8",
  data: "M4 7c0-4 16-4 16 0v10c0 4-16 4-16 0zM4 7c0 4 16 4 16 0M4 12c0 4 16 4 16 0",
  models: "M12 3 4 7.5v9L12 21l8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  lineage: "M5 6h5v4H5zM14 14h5v4h-5zM7.5 10v6H14M14 4h5v4h-5zM10 8h4",
  ledger: "M6 3h12v18H6zM9 8h6M9 12h6M9 16h3",
  recovery: "M4 12a8 8 0 1 0 3-6.2M4 4v5h5M12 8v4l3 2",
  people:
    "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8M2 21c0-8 14-8 14 0M16 4a4 4 0 0 1 0 7M18 14c3 1 4 4 4 7",
  projects: "M3 6h7l2 3h9v11H3z",
  approvals: "M4 4h16v16H4zM8 12l3 3 5-6",
  tokens: "M14 10a4 4 0 1 1-2.8-3.8M13 9l8 8v3h-4v-3h-3v-3",
  sessions: "M3 5h18v11H3zM8 20h8M12 16v4",
  erase: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M11 11v5M13 11v5",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6 6 18",
} as const;

export type IconName = keyof typeof PATHS;

/** A small drawing beside a word; it says nothing of its own. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg width="18" height="18" viewBox="0 0 24 24" fill="none" aria-hidden="true">
      <path
        d={PATHS[name]}
        stroke="currentColor"
        strokeWidth="1.8"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
