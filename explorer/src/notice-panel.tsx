/** The notice that explains the last response; the JSON is shown above it. */

import { notice } from "./page.ts";
import { useStore } from "./store.ts";

export function NoticePanel() {
  const now = useStore(notice);
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
            onClick={() => notice.set(null)}
          >
            ×
          </button>
        </>
      )}
    </div>
  );
}
