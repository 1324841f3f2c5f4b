import { SynclineError } from '@syncline/client';
import { GraphQLError } from 'graphql';

/** Anything thrown, as an error with a code. */
export function asSynclineError(error: unknown): SynclineError {
  if (error instanceof SynclineError) return error;
  return new SynclineError('PROTOCOL', error instanceof Error ? error.message : String(error), {}, { cause: error });
}

/** An error in the form that the server gives its own, for the response pane. */
export function asResult(error: unknown): { errors: GraphQLError[] } {
  const { code, message, extensions } = asSynclineError(error);
  return { errors: [new GraphQLError(message, { extensions: { ...extensions, code } })] };
}
