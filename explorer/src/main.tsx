import "./page.css";

import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";

import { Bar } from "./bar.tsx";
import { HealthBanner } from "./health-banner.tsx";
import { SkipLink } from "./skip-link.tsx";

const Editor = lazy(() => import("./editor.tsx"));

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <SkipLink />
      <Bar />
      <HealthBanner />
      <main id="main" tabIndex={-1}>
        <h1 className="unseen">GraphiQL on Chirp</h1>
        <Suspense fallback={<p className="loading">Loading the editor…</p>}>
          <Editor />
        </Suspense>
      </main>
    </StrictMode>,
  );
}
