import { buildSchema } from 'graphql';
import type { GraphQLSchema } from 'graphql';
import { useEffect, useState } from 'react';

/**
 * The server's schema, also where it answers no introspection. Null until it
 * has come; without it the editors do not complete or check.
 */
export function useSchema(): GraphQLSchema | null {
  const [schema, setSchema] = useState<GraphQLSchema | null>(null);
  useEffect(() => {
    const leaving = new AbortController();
    fetchSchema(leaving.signal).then(setSchema, () => {});
    return () => leaving.abort();
  }, []);
  return schema;
}

async function fetchSchema(signal: AbortSignal): Promise<GraphQLSchema> {
  const response = await fetch(new URL('schema.graphql', document.baseURI), { signal });
  return buildSchema(await response.text());
}
