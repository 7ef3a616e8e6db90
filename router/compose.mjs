// Composes the supergraph that supergraph.yaml names into router/supergraph.graphql, and writes what
// clients see of it, the API schema, into router/api.graphql.
//
//   node router/compose.mjs            writes the files
//   node router/compose.mjs --check    writes nothing; fails when a file is not what the schemas
//                                      compose to, or when a second composer does not agree
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { composeServices as composeWithApollo } from "@apollo/composition";
import * as guild from "@theguild/federation-composition";
import { lexicographicSortSchema, buildASTSchema, parse, print, printSchema, visit } from "graphql";
import YAML from "yaml";

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "..");
const read = (name) => readFileSync(path.join(root, name), "utf8");

// Hints of the composer fail, because each says that the subgraphs contradict each other. One that is
// intended (a field on its way from one subgraph to another by @override) is accepted here, with its
// code, its coordinate and the reason. An entry that no hint needs any more fails as well.
//   { code: "OVERRIDDEN_FIELD_CAN_BE_REMOVED", at: "User.username", reason: "profiles takes it over" }
const ACCEPTED_HINTS = [];

const HEADER = "# Composed by router/compose.mjs; do not edit.";

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

  demandOneOwnerOfEachErrorType(services);
  const composed = composeOrRefuse("@apollo/composition", composeWithApollo, services);
  demandNoHints(composed.hints);
  const outputs = {
    "router/api.graphql": HEADER + "\n\n" + printSchema(apiSchema(composed.supergraphSdl)) + "\n",
    // The last one: its digest says that all files are current.
    "router/supergraph.graphql": `${HEADER} Inputs: ${digest(services)}\n` + composed.supergraphSdl.trim() + "\n",
  };
  if (!process.argv.includes("--check")) {
    for (const [file, text] of Object.entries(outputs)) write(file, text);
    console.log(`router/supergraph.graphql: composed of ${services.map(({ name }) => name).join(", ")}`);
    return;
  }

  const second = composeOrRefuse("@theguild/federation-composition", guild.composeServices, services.map(lowered));
  demandAgreement(composed.supergraphSdl, second.supergraphSdl);
  for (const [file, text] of Object.entries(outputs)) {
    if (read(file) !== text) throw new Refused(`${file} is not what the schemas compose to. Run: make supergraph`);
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
  const { errors, hints = [], supergraphSdl } = compose(services);
  if (errors?.length) throw new Refused([`${composer} refuses:`, ...explained(errors, services)].join("\n"));
  return { supergraphSdl, hints };
}

function demandNoHints(hints) {
  const problems = hints
    .filter((hint) => !ACCEPTED_HINTS.some((accepted) => covers(accepted, hint)))
    .map(({ definition, coordinate, nodes = [], message }) => {
      const subgraphs = [...new Set(nodes.map(({ subgraph }) => subgraph))].filter(Boolean).sort();
      const where = [coordinate && ` at ${coordinate}`, subgraphs.length && ` (${subgraphs.join(", ")})`];
      return `  ${definition.code}${where.filter(Boolean).join("")}: ${message}`;
    });
  if (problems.length) {
    const remedy = "Align the subgraphs, or accept the hint with a reason in ACCEPTED_HINTS of router/compose.mjs.";
    throw new Refused(["The composer has hints:", ...problems, remedy].join("\n"));
  }
  const unneeded = ACCEPTED_HINTS.filter((accepted) => !hints.some((hint) => covers(accepted, hint)));
  if (unneeded.length) {
    const named = unneeded.map(({ code, at }) => `  ${code} at ${at}`);
    throw new Refused(["No hint needs these entries any more; remove them from ACCEPTED_HINTS:", ...named].join("\n"));
  }
}

const covers = ({ code, at, reason }, hint) => Boolean(reason) && code === hint.definition.code && at === hint.coordinate;

// Two types of one name would become one type, whose fields neither subgraph knows alone.
function demandOneOwnerOfEachErrorType(services) {
  const owners = new Map();
  for (const service of services) {
    for (const type of objectTypes(service)) {
      if (type.interfaces?.some(({ name }) => name.value === "Error")) append(owners, type.name.value, service);
    }
  }
  const problems = [...owners]
    .filter(([, its]) => its.length > 1)
    .map(([type, its]) => {
      const [first, ...others] = its;
      const renamed = others.map((service) => `${capitalised(service.name)}${type} in ${source(service)}`);
      return (
        `${type} is an error type of ${its.map(({ name }) => name).join(" and ")}. ` +
        `An error type belongs to one subgraph: leave it to ${first.name}, and rename it to ${renamed.join(" and ")}.`
      );
    });
  if (problems.length) throw new Refused(problems.join("\n"));
}

// One key that does not fit makes an error for each field that cannot be reached by it: the cause is
// named once, and one of the errors is shown.
function explained(errors, services) {
  const unreachable = errors.filter(({ extensions }) => extensions?.code === "SATISFIABILITY_ERROR");
  const types = new Set(unreachable.flatMap(({ message }) => [...message.matchAll(/(?:of|on type) "(\w+)"/g)].map(([, type]) => type)));
  const causes = [...types].flatMap((type) => foreignKeys(type, services));
  const shown = causes.length ? errors.filter((error) => error === unreachable[0] || !unreachable.includes(error)) : errors;
  const lines = shown.map(({ message, extensions }) => {
    const code = extensions?.code ? `${extensions.code}: ` : "";
    return `  ${code}${message.replaceAll("\n", "\n  ")}`;
  });
  if (shown.length < errors.length) lines.push(`  and ${errors.length - shown.length} more of this kind`);
  return [...causes, ...lines];
}

// The subgraphs that know the type by none of the keys by which another subgraph can resolve it. The
// one that gives most of its fields owns it and is not to blame.
function foreignKeys(type, services) {
  const holders = services
    .map((service) => ({ service, keys: keysOf(service, type), fields: fieldsOf(service, type) }))
    .filter(({ keys }) => keys.length)
    .sort((a, b) => b.fields - a.fields);
  return holders.slice(1).flatMap((holder) => {
    const offers = holders
      .filter((other) => other !== holder)
      .map(({ service, keys }) => ({ service, keys: keys.filter(({ resolvable }) => resolvable) }))
      .filter(({ keys }) => keys.length);
    const offered = new Set(offers.flatMap(({ keys }) => keys.map(({ fields }) => fields)));
    if (!offered.size || holder.keys.some(({ fields }) => offered.has(fields))) return [];
    const known = offers.map(({ service, keys }) => `${service.name}: ${quoted(keys)}`).join("; ");
    return [
      `  ${type} has the key ${quoted(holder.keys)} in ${holder.service.name}, which no other subgraph declares (${known}). ` +
        `Give it one of these keys in ${source(holder.service)}.`,
    ];
  });
}

const quoted = (keys) => keys.map(({ fields }) => `"${fields}"`).join(", ");

const fieldsOf = (service, type) =>
  objectTypes(service)
    .filter(({ name }) => name.value === type)
    .flatMap(({ fields = [] }) => fields)
    .filter(({ directives = [] }) => !directives.some(({ name }) => name.value === "external")).length;

function keysOf(service, type) {
  return objectTypes(service)
    .filter(({ name }) => name.value === type)
    .flatMap(({ directives = [] }) => directives)
    .filter(({ name }) => name.value === "key")
    .map((directive) => {
      const argument = (name) => directive.arguments.find((each) => each.name.value === name)?.value;
      return { fields: words(argument("fields").value), resolvable: argument("resolvable")?.value !== false };
    });
}

const objectTypes = ({ typeDefs }) => typeDefs.definitions.filter(({ kind }) => kind === "ObjectTypeDefinition" || kind === "ObjectTypeExtension");

// The module that the types of an exported schema come from.
const source = ({ file }) => path.posix.join(path.posix.dirname(file), "types.py");

const capitalised = (name) => name[0].toUpperCase() + name.slice(1);

const append = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);

// The digest tells stack/supergraph.py, without starting Node, whether this is current:
// it covers what the result depends on. Both compute it from the same files in the same order.
function digest(services) {
  const hash = createHash("sha256");
  const inputs = ["supergraph.yaml", "router/compose.mjs", "router/package-lock.json", ...services.map(({ file }) => file)];
  for (const input of inputs) hash.update(read(input));
  return `sha256:${hash.digest("hex")}`;
}

// A router that reloads the file must never read half of it.
function write(name, text) {
  const file = path.join(root, name);
  writeFileSync(`${file}.unfinished`, text);
  renameSync(`${file}.unfinished`, file);
}

// The composers write the same supergraph in different words: other descriptions and orders, other
// versions in @link, and arguments that one leaves out because they say the default. What must be
// the same is what a client sees (the API schema) and what a planner reads: for each type and
// field, from which subgraph it comes and with which key, requirement and promise.
function demandAgreement(ours, theirs) {
  const comparisons = { "the API schema": apiTypes, "the join directives": joins };
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
  return lexicographicSortSchema(buildASTSchema(guild.transformSupergraphToPublicSchema(parse(sdl))));
}

const apiTypes = (sdl) => printSchema(apiSchema(sdl)).split("\n\n");

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

// A field set means the same with any white space.
const words = (fieldSet) => fieldSet.replace(/\s+/g, " ").trim();
const normal = (value) => (value.kind === "StringValue" ? JSON.stringify(words(value.value)) : print(value));

try {
  main();
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
