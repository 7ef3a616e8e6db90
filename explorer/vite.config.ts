import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: {
    // The workers that Monaco starts are modules, so older browsers are of no use here anyway.
    target: "es2022",
    modulePreload: { polyfill: false },
    // Everything is a file of its own: the policy allows no font inside a style sheet, and a
    // browser keeps a file for good.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      // React's compiler has read these directives already; a bundle has no use for them.
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
    },
  },
});
