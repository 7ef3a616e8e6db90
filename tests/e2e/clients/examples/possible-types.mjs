// What Apollo's cache has to know of a schema: which types implement each interface and form each union.
// Without it a fragment on an interface, such as `... on Error { message }`, gives no fields.
import { buildSchema, isAbstractType } from "graphql";

export function possibleTypes(sdl) {
  const schema = buildSchema(sdl);
  const abstract = Object.values(schema.getTypeMap()).filter(isAbstractType);
  return Object.fromEntries(abstract.map((type) => [type.name, schema.getPossibleTypes(type).map(({ name }) => name)]));
}
