import "./page.css";

import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";

import { AccountDialog, BreachWarning } from "./account-dialog.tsx";
import { Bar } from "./bar.tsx";
import { HealthBanner } from "./health-banner.tsx";
import { serves } from "./services.ts";
import { SkipLink } from "./skip-link.tsx";
import { tweetIdIn } from "./tweet.ts";

const Editor = lazy(() => import("./editor.tsx"));
const TweetPage = lazy(() => import("./tweet-page.tsx"));
const tweetId = serves("tweets") ? tweetIdIn(location.pathname) : null;

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <SkipLink />
      <Bar />
      <HealthBanner />
      <AccountDialog />
      <BreachWarning />
      <main id="main" tabIndex={-1}>
        {tweetId ? (
          <Suspense fallback={<p className="loading">Loading the tweet…</p>}>
            <TweetPage id={tweetId} />
          </Suspense>
        ) : (
          <>
            <h1 className="unseen">GraphiQL on Chirp</h1>
            <Suspense fallback={<p className="loading">Loading the editor…</p>}>
              <Editor />
            </Suspense>
          </>
        )}
      </main>
    </StrictMode>,
  );
}
