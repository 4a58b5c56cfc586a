import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: {
    outDir: "../src/cloister/web/console/dist",
    emptyOutDir: true,
    assetsInlineLimit: 0, // no data: addresses, so that the policy can stay narrow
    modulePreload: { polyfill: false },
    target: "es2022",
    chunkSizeWarningLimit: 400,
  },
  test: { environment: "node" },
});
