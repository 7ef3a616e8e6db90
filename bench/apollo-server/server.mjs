// The read side of the tweets subgraph on Apollo Server, in the usual way for Node: `pg` with a pool
// and named (prepared) statements, DataLoader for fields of many parents, production mode. With
// TUNED=1 PostgreSQL plans each statement once, as for the services, and two plugins are left out.
import { readFileSync } from "node:fs";
import { timingSafeEqual } from "node:crypto";
import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginCacheControlDisabled, ApolloServerPluginInlineTraceDisabled } from "@apollo/server/plugin/disabled";
import { startStandaloneServer } from "@apollo/server/standalone";
import { buildSubgraphSchema } from "@apollo/subgraph";
import DataLoader from "dataloader";
import { GraphQLError, GraphQLScalarType, parse } from "graphql";
import pg from "pg";

const tuned = process.env.TUNED === "1";
const pool = new pg.Pool({
  connectionString: process.env.TWEETS_DATABASE_URL,
  max: 10,
  options: tuned ? "-c plan_cache_mode=force_generic_plan" : undefined,
});
const secret = Buffer.from(process.env.ROUTER_SECRET);

const COLUMNS = `
  t.id, t.author_id, t.author_username, t.text, t.created_at, t.retweet_count,
  o.id AS original_id, o.author_id AS original_author_id,
  o.author_username AS original_author_username, o.text AS original_text,
  o.created_at AS original_created_at, o.retweet_count AS original_retweet_count`;
const TIMELINE = {
  name: "timeline",
  text: `
    SELECT ${COLUMNS} FROM tweets t LEFT JOIN tweets o ON o.id = t.retweet_of
    WHERE t.author_id = $1 AND t.id < $2 ORDER BY t.id DESC LIMIT $3`,
};
const TIMELINES = {
  name: "timelines",
  text: `
    SELECT ${COLUMNS}, author
    FROM unnest($1::uuid[]) AS author
    CROSS JOIN LATERAL (
      SELECT * FROM tweets WHERE author_id = author AND id < $2 ORDER BY id DESC LIMIT $3
    ) t
    LEFT JOIN tweets o ON o.id = t.retweet_of
    ORDER BY t.id DESC`,
};
const LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff";

const cursor = (id) => Buffer.from(id.replaceAll("-", ""), "hex").toString("base64url");
const position = (after) => {
  const hex = Buffer.from(after, "base64url").toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
};

function original(row, prefix = "") {
  return {
    id: row[`${prefix}id`],
    text: row[`${prefix}text`],
    createdAt: row[`${prefix}created_at`],
    author: { id: row[`${prefix}author_id`], username: row[`${prefix}author_username`] },
    retweetCount: row[`${prefix}retweet_count`],
    retweetOf: null,
  };
}

function tweet(row) {
  if (row.original_id === null) return original(row);
  const retweetOf = original(row, "original_");
  return {
    ...original(row),
    text: retweetOf.text,
    retweetCount: retweetOf.retweetCount,
    retweetOf,
  };
}

// One author's page, straight from the database: a root field asks once, there is nothing to gather.
async function page(author, first, after) {
  const { rows } = await pool.query({ ...TIMELINE, values: [author, after ?? LAST, first + 1] });
  return rows.map((row) => tweet(row));
}

// The same for many authors at once: one query for all `User.tweets` of an operation.
function pageLoader() {
  return new DataLoader(
    async (wanted) => {
      const pages = new Map();
      for (const { author, first, after } of wanted) {
        const key = `${first} ${after}`;
        if (!pages.has(key)) pages.set(key, { first, after, authors: new Set() });
        pages.get(key).authors.add(author);
      }
      const found = new Map();
      await Promise.all(
        [...pages].map(async ([key, { first, after, authors }]) => {
          const { rows } = await pool.query({ ...TIMELINES, values: [[...authors], after ?? LAST, first + 1] });
          for (const row of rows) {
            const name = `${key} ${row.author}`;
            if (!found.has(name)) found.set(name, []);
            found.get(name).push(tweet(row));
          }
        }),
      );
      return wanted.map(({ author, first, after }) => found.get(`${first} ${after} ${author}`) ?? []);
    },
    { cache: false },
  );
}

function pageSize({ first }) {
  if (first < 1 || first > 100) throw new GraphQLError("`first` must be between 1 and 100.");
  return first;
}

function connection(rows, first, after) {
  const edges = rows.slice(0, first).map((node) => ({ node, cursor: cursor(node.id) }));
  return {
    edges,
    pageInfo: {
      hasNextPage: rows.length > first,
      hasPreviousPage: after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

function required({ principal }, scope) {
  if (!principal) throw new GraphQLError("Sign in first.", { extensions: { code: "UNAUTHENTICATED" } });
  if (!principal.scopes.has(scope)) throw new GraphQLError("This session may not do that.", { extensions: { code: "FORBIDDEN" } });
  return principal;
}

const resolvers = {
  DateTime: new GraphQLScalarType({
    name: "DateTime",
    serialize: (value) => value.toISOString(),
  }),
  Query: {
    myTweets: async (_, args, context) => {
      const author = required(context, "tweets:read").userId;
      const first = pageSize(args);
      return connection(await page(author, first, args.after && position(args.after)), first, args.after);
    },
  },
  User: {
    tweets: async (user, args, context) => {
      required(context, "tweets:read");
      const first = pageSize(args);
      const rows = await context.pages.load({ author: user.id, first, after: args.after && position(args.after) });
      return connection(rows, first, args.after);
    },
    __resolveReference: ({ id }) => ({ id }),
  },
};

function principal(headers) {
  if (!headers["x-auth-user-id"]) return null;
  return {
    userId: headers["x-auth-user-id"],
    username: headers["x-auth-username"],
    scopes: new Set(headers["x-auth-scopes"].split(" ")),
  };
}

const typeDefs = parse(readFileSync(new URL("../../subgraphs/tweets/schema.graphql", import.meta.url), "utf8"));
const server = new ApolloServer({
  schema: buildSubgraphSchema({ typeDefs, resolvers }),
  csrfPrevention: false,
  // Both wrap every field's resolver, for features that are not used here.
  plugins: tuned ? [ApolloServerPluginCacheControlDisabled(), ApolloServerPluginInlineTraceDisabled()] : [],
  includeStacktraceInErrorResponses: false,
});
await startStandaloneServer(server, {
  listen: { host: "127.0.0.1", port: Number(process.env.PORT) },
  context: async ({ req }) => {
    const given = Buffer.from(req.headers["x-router-secret"] ?? "");
    if (given.length !== secret.length || !timingSafeEqual(given, secret)) {
      throw new GraphQLError("This port accepts requests from the edge only.", { extensions: { code: "FORBIDDEN", http: { status: 403 } } });
    }
    return { principal: principal(req.headers), pages: pageLoader() };
  },
});
