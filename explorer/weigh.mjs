// Compresses the files of the build and prints their sizes.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip as gzip_ } from "node:zlib";

const DIST = fileURLToPath(new URL("dist/", import.meta.url));
const TEXT = /\.(html|js|css|svg|json)$/;

/** The highest, 11, saves a tenth and takes nine times as long, which `make up` waits for. */
const QUALITY = 9;

const brotli = promisify(brotliCompress);
const gzip = promisify(gzip_);

const weights = new Map();
await Promise.all(
  readdirSync(DIST, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(`${DIST}.`))
    .map(async (file) => {
      const content = readFileSync(file);
      weights.set(file.slice(DIST.length), content.length);
      if (!TEXT.test(file)) return;
      const small = await brotli(content, { params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY } });
      writeFileSync(`${file}.br`, small);
      writeFileSync(`${file}.gz`, await gzip(content, { level: 9 }));
      weights.set(file.slice(DIST.length), small.length);
    }),
);

const manifest = JSON.parse(readFileSync(join(DIST, ".vite/manifest.json"), "utf8"));

/** Returns the files that a chunk needs before it runs. */
function needs(name, found = new Set()) {
  const chunk = manifest[name];
  if (found.has(chunk.file)) return found;
  found.add(chunk.file);
  for (const file of [...(chunk.css ?? []), ...(chunk.assets ?? [])]) found.add(file);
  for (const imported of chunk.imports ?? []) needs(imported, found);
  return found;
}

const sum = (files) => [...files].reduce((total, file) => total + (weights.get(file) ?? 0), 0);
const show = (what, weight) =>
  console.log(`${what.padEnd(46)} ${(weight / 1000).toFixed(0).padStart(5)} kB`);

const first = new Set(["index.html", "favicon.svg", ...needs("index.html")]);
const workers = new Set([...weights.keys()].filter((file) => /\.worker-/.test(file)));
const editor = new Set(
  Object.values(manifest)
    .filter(({ file }) => /^assets\/(editor|monaco-editor|lite|graphqlMode|jsonMode)-/.test(file))
    .flatMap(({ src, file }) => [...(src && manifest[src] ? needs(src) : [file])])
    .filter((file) => !first.has(file) && !workers.has(file)),
);
console.log("Size of the page, compressed (brotli):");
show("  first paint: the bar and the session", sum(first));
show("  then the editor: GraphiQL and Monaco", sum(editor));
show("  a worker per language, when first used", sum(workers));
show("  all files", sum(weights.keys()));
