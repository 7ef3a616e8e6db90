// Composes the supergraph that supergraph.yaml names into router/supergraph.graphql.
//
//   node router/compose.mjs            writes the file
//   node router/compose.mjs --check    writes nothing; fails when the file is not what the schemas
//                                      compose to, or when a second composer does not agree
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { composeServices as composeWithApollo } from "@apollo/composition";
import * as guild from "@theguild/federation-composition";
import { lexicographicSortSchema, buildASTSchema, parse, print, printSchema, visit } from "graphql";
import YAML from "yaml";

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "..");
const output = path.join(root, "router", "supergraph.graphql");
const read = (name) => readFileSync(path.join(root, name), "utf8");

class Refused extends Error {}

function main() {
  const configuration = YAML.parse(read("supergraph.yaml"));
  demandVersion(configuration.federation_version);
  const services = Object.entries(configuration.subgraphs).map(([name, subgraph]) => ({
    name,
    url: subgraph.routing_url,
    file: subgraph.schema.file,
    typeDefs: parse(read(subgraph.schema.file)),
  }));

  const composed = composeOrRefuse("@apollo/composition", composeWithApollo, services);
  const text = header(services) + composed.supergraphSdl.trim() + "\n";
  if (!process.argv.includes("--check")) {
    writeFileSync(output, text);
    console.log(`router/supergraph.graphql: composed of ${services.map(({ name }) => name).join(", ")}`);
    return;
  }

  const second = composeOrRefuse("@theguild/federation-composition", guild.composeServices, services.map(lowered));
  demandAgreement(composed.supergraphSdl, second.supergraphSdl);
  if (readFileSync(output, "utf8") !== text) {
    throw new Refused("router/supergraph.graphql is not what the schemas compose to. Run: make supergraph");
  }
  console.log("router/supergraph.graphql: current, and both composers agree");
}

// `federation_version` is for rover, which fetches that composer; ours must be the same one.
function demandVersion(wanted) {
  const manifest = createRequire(import.meta.url).resolve("@apollo/composition/package.json");
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  if (wanted !== `=${version}`) {
    throw new Refused(`supergraph.yaml says federation_version ${wanted}, router/package.json has ${version}`);
  }
}

// The second composer knows the specification up to v2.9. What came later are directives; a schema
// that uses one of them is refused here with its name.
function lowered(service) {
  const sdl = print(service.typeDefs).replace(/(specs\.apollo\.dev\/federation\/)v2\.\d\d+/, "$1v2.9");
  return { ...service, typeDefs: parse(sdl) };
}

function composeOrRefuse(composer, compose, services) {
  const { errors, hints, supergraphSdl } = compose(services);
  if (errors?.length) {
    throw new Refused([`${composer} refuses:`, ...errors.map(({ message }) => `  ${message}`)].join("\n"));
  }
  for (const hint of hints ?? []) console.log(`hint: ${hint}`);
  return { supergraphSdl };
}

// The digest tells deploy/laptop/supergraph.py, without starting Node, whether this is current:
// it covers what the result depends on. Both compute it from the same files in the same order.
function header(services) {
  const digest = createHash("sha256");
  const inputs = ["supergraph.yaml", "router/compose.mjs", "router/package-lock.json", ...services.map(({ file }) => file)];
  for (const input of inputs) digest.update(read(input));
  return `# Composed by router/compose.mjs; do not edit. Inputs: sha256:${digest.digest("hex")}\n`;
}

// The composers write the same supergraph in different words: other descriptions and orders, other
// versions in @link, and arguments that one leaves out because they say the default. What must be
// the same is what a client sees (the API schema) and what a planner reads: for each type and
// field, from which subgraph it comes and with which key, requirement and promise.
function demandAgreement(ours, theirs) {
  const comparisons = { "the API schema": apiSchema, "the join directives": joins };
  for (const [what, view] of Object.entries(comparisons)) {
    const [a, b] = [view(ours), view(theirs)];
    const differing = [...a.filter((x) => !b.includes(x)).map((x) => `  + ${x}`), ...b.filter((x) => !a.includes(x)).map((x) => `  - ${x}`)];
    if (differing.length) {
      const legend = "(+ only @apollo/composition, - only @theguild/federation-composition)";
      throw new Refused([`The composers do not agree on ${what} ${legend}:`, ...differing].join("\n"));
    }
  }
}

function apiSchema(sdl) {
  const publicSchema = guild.transformSupergraphToPublicSchema(parse(sdl));
  const printed = printSchema(lexicographicSortSchema(buildASTSchema(publicSchema)));
  return printed.split("\n\n");
}

function joins(sdl) {
  const lines = [];
  const note = (where, node) => {
    for (const directive of node.directives ?? []) {
      if (!directive.name.value.startsWith("join__") || directive.name.value === "join__graph") continue;
      const args = directive.arguments
        .map(({ name, value }) => `${name.value}: ${normal(value)}`)
        .filter((argument) => !DEFAULTS.has(argument));
      lines.push(`${where} @${directive.name.value}(${args.sort().join(", ")})`);
    }
  };
  visit(parse(sdl), {
    enter(node, _key, _parent, _path, ancestors) {
      if (!node.kind.endsWith("Definition") || !node.directives?.length) return;
      const owner = ancestors.findLast((each) => each?.kind?.endsWith("TypeDefinition"));
      note(owner ? `${owner.name.value}.${node.name.value}` : (node.name?.value ?? "schema"), node);
    },
  });
  return lines.sort();
}

const DEFAULTS = new Set(["extension: false", "resolvable: true", "isInterfaceObject: false", "external: false", "usedOverridden: false"]);

// A field set says the same with any white space.
const normal = (value) => (value.kind === "StringValue" ? JSON.stringify(value.value.replace(/\s+/g, " ").trim()) : print(value));

try {
  main();
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
