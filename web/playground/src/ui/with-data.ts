import { find, isJSON, replace } from '../model/json-text.ts';

/** Variables with other data in their input; undefined if they have no place for it. */
export function withData(variables: string, data: string): string | undefined {
  if (!isJSON(variables)) return undefined;
  const place = find(variables, ['input', 'data']);
  return place && variables[place.from] === '"' ? replace(variables, ['input', 'data'], JSON.stringify(data)) : undefined;
}
