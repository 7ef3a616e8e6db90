/** The notice that explains the response of the active tab; the JSON is shown above it. */

import { useGraphiQL } from "@graphiql/react";

import { notices } from "./page.ts";
import { useStore } from "./store.ts";

export function NoticePanel() {
  const tab = useGraphiQL(({ tabs, activeTabIndex }) => tabs[activeTabIndex]?.id ?? "");
  const now = useStore(notices.state).get(tab);
  return (
    <div role="status" className="notice" data-tone={now?.tone}>
      {now && (
        <>
          <h2>{now.title}</h2>
          {now.details.length > 0 && (
            <dl>
              {now.details.map(({ where, text }, index) => (
                <div key={index}>
                  {where && (
                    <dt>
                      <code>{where}</code>
                    </dt>
                  )}
                  <dd>{text}</dd>
                </div>
              ))}
            </dl>
          )}
          {now.advice && <p>{now.advice}</p>}
          <button
            type="button"
            className="close"
            aria-label="Dismiss"
            onClick={() => notices.set(tab, null)}
          >
            ×
          </button>
        </>
      )}
    </div>
  );
}
