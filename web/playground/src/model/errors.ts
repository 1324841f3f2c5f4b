import { SynclineError } from '@syncline/client';
import { GraphQLError } from 'graphql';

interface Answered {
  message: string;
  extensions?: Record<string, unknown>;
}

/** Anything thrown, as an error with a code: also the errors of an answer, of which the first counts. */
export function asSynclineError(error: unknown): SynclineError {
  if (error instanceof SynclineError) return error;
  const { message, extensions } = Object(Array.isArray(error) ? error[0] : error) as Partial<Answered>;
  const code = typeof extensions?.['code'] === 'string' ? extensions['code'] : 'PROTOCOL';
  return new SynclineError(code, message ?? String(error), extensions, { cause: error });
}

/** An error in the form that the server gives its own, for the response pane. */
export function asResult(error: unknown): { errors: GraphQLError[] } {
  const all: readonly unknown[] = Array.isArray(error) && error.length > 0 ? error : [error];
  return {
    errors: all.map((each) => {
      const { code, message, extensions } = asSynclineError(each);
      return new GraphQLError(message, { extensions: { ...extensions, code } });
    }),
  };
}
