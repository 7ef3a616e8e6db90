import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    // Monaco's workers are modules, which older browsers do not run.
    target: "es2022",
    modulePreload: { polyfill: false },
    // No asset is inlined: the policy allows no font inside a style sheet, and browsers cache
    // hashed files forever.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      // React's compiler has read these directives; the bundle does not need them.
      checks: { moduleLevelDirective: false },
    },
    reportCompressedSize: false,
    manifest: true,
  },
  worker: { format: "es" },
  // For `npm run dev` beside `make up`.
  server: {
    proxy: {
      "/graphql": { target: "http://localhost:4000", ws: true },
      "/healthz": "http://localhost:4000",
      "/schema.graphql": "http://localhost:4000",
    },
  },
});
