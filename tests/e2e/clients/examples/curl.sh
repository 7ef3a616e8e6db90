# curl, with URL, ACCESS_TOKEN and REFRESH_TOKEN set.
api() { curl -sS "$URL" -H 'content-type: application/json' "$@"; echo; }
field() { grep -o "\"$1\":\"[^\"]*\"" | cut -d '"' -f 4; }

# A query; on a 401 with the reason EXPIRED, exchange the refresh token and ask again.
me() { api -H "authorization: Bearer $ACCESS_TOKEN" -d '{"query": "{ me { username } }"}'; }
if me | grep '"EXPIRED"'; then
    fresh=$(api -d '{"query": "mutation ($token: String!) { refreshSession(refreshToken: $token) { ... on SignedIn { accessToken refreshToken } ... on Error { message } } }", "variables": {"token": "'"$REFRESH_TOKEN"'"}}')
    ACCESS_TOKEN=$(field accessToken <<< "$fresh") REFRESH_TOKEN=$(field refreshToken <<< "$fresh")
fi
me

# A mutation.
api -H "authorization: Bearer $ACCESS_TOKEN" -d '{"query": "mutation { createTweet(input: {text: \"hello 👋\"}) { ... on Tweet { id text } ... on Error { message } } }"}'

# A subscription begins with what is new, or after a cursor: after a cut, the last one that came.
feed() {
    api --no-buffer --max-time "${SECONDS_TO_WATCH:-3600}" -H "authorization: Bearer $ACCESS_TOKEN" -H 'accept: text/event-stream' \
        -d '{"query": "subscription ($after: String) { tweetFeed(after: $after) { cursor tweet { text } } }", "variables": {"after": '"${1:-null}"'}}'
}
feed "${LAST_CURSOR:-null}"
